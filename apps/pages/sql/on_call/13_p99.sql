-- title: Latency, 99 % within
-- show: tile
-- unit: ms
-- section: Now
-- good: down
-- meaning: The time within which 99 of 100 answers of the newest day were complete, beside the median of the seven days before it.
with days as (
    select day, latency_p99_ms, latency_n
    from service.sli_daily
    where scope = 'all' and day > $day - 14
)

select
    day,
    latency_p99_ms as value,
    latency_n as n,
    cast(null as double) as before
from days
union all
select
    null,
    any_value(latency_p99_ms) filter (where day = $day),
    any_value(latency_n) filter (where day = $day),
    median(latency_p99_ms) filter (where day < $day and day >= $day - 7)
from days
order by day;
