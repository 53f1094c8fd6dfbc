-- What was missing in the logs
select day, source, record_kind, field, finding, records, usual_records, fill_rate, usual_fill_rate
from logs.completeness
where day between $first and $last and finding is not null
order by day, source, record_kind, field
