-- title: Errors by class
-- show: line
-- unit: count
-- section: Trends
-- good: down
-- meaning: >-
--   Failed requests of a day by whose fault it was: client (the caller), provider, infrastructure (ours), model, schema (an
--   answer of the wrong form).
with failed as (
    select day, error_class, sum(failed_requests) as failed_requests
    from service.errors_daily
    where day > $day - $days
    group by day, error_class
)

select
    days.day as moment,
    classes.error_class as series,
    coalesce(failed.failed_requests, 0) as value
from (select distinct day from service.sli_5min where day > $day - $days) as days
cross join (select distinct error_class from failed) as classes
left join failed using (day, error_class)
order by sum(value) over (partition by series) desc, series, moment;
