-- Datasets of sources whose licence nobody declared
select kind, version, built_at, licences
from tuning.datasets
where day between $first and $last and contains(licences, '"undeclared"')
order by built_at desc, kind
