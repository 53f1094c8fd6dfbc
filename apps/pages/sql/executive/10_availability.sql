-- title: Availability
-- show: tile
-- unit: share
-- section: In short
-- good: up
-- meaning: >-
--   Share of valid requests that were answered whole and without an error; a caller's own mistakes count in neither number.
--   The target is the strictest availability that any feature promises.
select
    day,
    sum(healthy_requests) / nullif(cast(sum(valid_requests) as double), 0) as value,
    wilson_low(sum(healthy_requests), sum(valid_requests)) as low,
    wilson_high(sum(healthy_requests), sum(valid_requests)) as high,
    sum(valid_requests) as n,
    any_value(before.value) as before,
    any_value(promised.target) as target
from service.sli_5min
cross join (
    select sum(healthy_requests) / nullif(cast(sum(valid_requests) as double), 0) as value
    from service.sli_5min
    where day > $day - 2 * $days and day <= $day - $days
) as before
cross join (select max(target) as target from service.slos where indicator = 'availability') as promised
where day > $day - $days
group by grouping sets ((day), ())
order by day;
