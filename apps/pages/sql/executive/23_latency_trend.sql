-- title: Latency, 95 % within
-- show: line
-- unit: ms
-- section: Trends
-- good: down
-- meaning: The time within which 95 of 100 answers of a day were complete, by feature.
with bins as (
    select
        day,
        feature,
        bin,
        sum(n) as n
    from service.timing_5min
    where measure = 'latency_ms' and feature is not null and day > $day - $days
    group by day, feature, bin
),

ranked as (
    select
        *,
        sum(n) over (
            partition by day, feature
            order by bin nulls last
            rows between unbounded preceding and current row
        ) as n_up_to,
        sum(n) over (partition by day, feature) as n_all
    from bins
)

select
    day as moment,
    feature as series,
    log_bin_value(min(case when n_up_to >= 0.95 * n_all then bin end)) as value,
    sum(n) as n
from ranked
group by day, feature
order by sum(sum(n)) over (partition by feature) desc, series, moment;
