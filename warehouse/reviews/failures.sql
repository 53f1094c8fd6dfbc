-- What failed most
-- Responses that somebody complained of, or judged to be wrong; the week before beside them.
select
    coalesce(feature, '(none)') as feature,
    failure,
    count(distinct case when day >= $first then request_id end) as responses,
    count(distinct case when day < $first then request_id end) as responses_before,
    count(distinct case when day >= $first then case_id end) as cases
from quality.case_proposals
where day between $first_before and $last
group by 1, 2
having responses > 0
order by responses desc, feature, failure
