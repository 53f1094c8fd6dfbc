-- title: Latency by hour
-- show: line
-- unit: ms
-- section: Service
-- good: down
-- meaning: The time within which 50, 95 and 99 of 100 answers of an hour were complete, over the newest two days.
with bins as (
    select
        date_trunc('hour', bucket_start) as hour_start,
        bin,
        sum(n) as n
    from service.timing_5min
    where measure = 'latency_ms' and day > $day - 2
    group by hour_start, bin
),

ranked as (
    select
        *,
        sum(n) over (
            partition by hour_start
            order by bin nulls last
            rows between unbounded preceding and current row
        ) as n_up_to,
        sum(n) over (partition by hour_start) as n_all
    from bins
),

hours as (
    select
        hour_start,
        log_bin_value(min(case when n_up_to >= 0.5 * n_all then bin end)) as p50,
        log_bin_value(min(case when n_up_to >= 0.95 * n_all then bin end)) as p95,
        log_bin_value(min(case when n_up_to >= 0.99 * n_all then bin end)) as p99,
        sum(n) as n
    from ranked
    group by hour_start
)

select
    hours.hour_start as moment,
    measured.series,
    case measured.series when '99 %' then hours.p99 when '95 %' then hours.p95 else hours.p50 end as value,
    hours.n
from hours
cross join (select unnest(['99 %', '95 %', '50 %']) as series) as measured
order by measured.series desc, moment;
