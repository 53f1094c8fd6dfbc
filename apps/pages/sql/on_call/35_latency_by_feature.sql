-- title: Latency by feature
-- show: table
-- unit: facts
-- section: Service
-- empty: No request of the newest day has a latency.
-- meaning: Latency of the newest day by feature, the slowest first, with the 99 % of the last 14 days as a line.
-- columns: {p50_ms: 50 % within, p95_ms: 95 % within, p99_ms: 99 % within, p99_trend: 14 days}
with bins as (
    select
        day,
        feature,
        bin,
        sum(n) as n
    from service.timing_5min
    where measure = 'latency_ms' and feature is not null and day > $day - 14
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
),

days as (
    select
        day,
        feature,
        log_bin_value(min(case when n_up_to >= 0.5 * n_all then bin end)) as latency_p50_ms,
        log_bin_value(min(case when n_up_to >= 0.95 * n_all then bin end)) as latency_p95_ms,
        log_bin_value(min(case when n_up_to >= 0.99 * n_all then bin end)) as latency_p99_ms,
        sum(n) as latency_n
    from ranked
    group by day, feature
),

errors as (
    select feature, sum(requests) as requests, sum(failed_client + failed_provider + failed_infrastructure + failed_model + failed_schema) as failed_requests
    from service.sli_5min
    where day = $day
    group by feature
)

select
    feature,
    any_value(latency_p50_ms) filter (where day = $day) as p50_ms,
    any_value(latency_p95_ms) filter (where day = $day) as p95_ms,
    any_value(latency_p99_ms) filter (where day = $day) as p99_ms,
    list(latency_p99_ms order by day) as p99_trend,
    any_value(errors.failed_requests / nullif(cast(errors.requests as double), 0)) as error_rate,
    any_value(wilson_low(errors.failed_requests, errors.requests)) as error_rate_low,
    any_value(wilson_high(errors.failed_requests, errors.requests)) as error_rate_high,
    any_value(latency_n) filter (where day = $day) as n
from days
left join errors using (feature)
group by feature
having n > 0
order by p99_ms desc, feature;
