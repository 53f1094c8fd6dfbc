-- title: Error rate
-- show: tile
-- unit: share
-- section: In short
-- good: down
-- meaning: Share of all requests that failed in any way, the caller's own mistakes included.
with days as (
    select day, sum(requests) as requests, sum(failed_client + failed_provider + failed_infrastructure + failed_model + failed_schema) as failed_requests
    from service.sli_5min
    where day > $day - 2 * $days
    group by day
)

select
    day,
    sum(failed_requests) / nullif(cast(sum(requests) as double), 0) as value,
    wilson_low(sum(failed_requests), sum(requests)) as low,
    wilson_high(sum(failed_requests), sum(requests)) as high,
    sum(requests) as n,
    any_value(before.value) as before
from days
cross join (
    select sum(failed_requests) / nullif(cast(sum(requests) as double), 0) as value
    from days
    where day <= $day - $days
) as before
where day > $day - $days
group by grouping sets ((day), ())
order by day;
