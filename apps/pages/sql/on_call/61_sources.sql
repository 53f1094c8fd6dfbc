-- title: Sources with findings
-- show: table
-- unit: facts
-- section: The data itself
-- empty: All sources of the newest day came as usual.
-- meaning: What a source stopped sending on the newest day, or sent far less of than on the same weekday of the last four weeks.
select
    source,
    record_kind,
    field,
    finding,
    records,
    usual_records,
    fill_rate,
    usual_fill_rate
from logs.completeness
where day = $day and finding is not null
order by source, record_kind, field
limit 20;
