-- Documents that reached somebody who may not see them
select tenant, endpoint, corpus, access_label, state, count(*) as retrievals, count(distinct document_id) as documents
from retrieval.access_violations
where day between $first and $last
group by all
order by retrievals desc, tenant, endpoint, corpus
