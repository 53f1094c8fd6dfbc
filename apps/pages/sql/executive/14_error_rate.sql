-- title: Error rate
-- show: tile
-- unit: share
-- section: In short
-- good: down
-- meaning: Share of all requests that failed in any way, the caller's own mistakes included.
select
    day,
    sum(failed_requests) / nullif(cast(sum(requests) as double), 0) as value,
    wilson_low(sum(failed_requests), sum(requests)) as low,
    wilson_high(sum(failed_requests), sum(requests)) as high,
    sum(requests) as n,
    any_value(before.value) as before
from service.sli_daily
cross join (
    select sum(failed_requests) / nullif(cast(sum(requests) as double), 0) as value
    from service.sli_daily
    where scope = 'all' and day > $day - 2 * $days and day <= $day - $days
) as before
where scope = 'all' and day > $day - $days
group by grouping sets ((day), ())
order by day;
