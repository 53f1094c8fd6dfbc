-- title: Latency, 99 % within
-- show: tile
-- unit: ms
-- section: Now
-- good: down
-- meaning: The time within which 99 of 100 answers of the newest day were complete, beside the median of the seven days before it.
with bins as (
    select
        day,
        bin,
        sum(n) as n
    from service.timing_5min
    where measure = 'latency_ms' and day > $day - 14
    group by day, bin
),

ranked as (
    select
        *,
        sum(n) over (
            partition by day
            order by bin nulls last
            rows between unbounded preceding and current row
        ) as n_up_to,
        sum(n) over (partition by day) as n_all
    from bins
),

days as (
    select day, log_bin_value(min(case when n_up_to >= 0.99 * n_all then bin end)) as latency_p99_ms, sum(n) as latency_n
    from ranked
    group by day
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
