-- title: Latency by feature
-- show: table
-- unit: facts
-- section: Service
-- empty: No request of the newest day has a latency.
-- meaning: Latency of the newest day by feature, the slowest first, with the 99 % of the last 14 days as a line.
-- columns: {p50_ms: 50 % within, p95_ms: 95 % within, p99_ms: 99 % within, p99_trend: 14 days}
with days as (
    select day, feature, latency_p50_ms, latency_p95_ms, latency_p99_ms, latency_n, error_rate, error_rate_low, error_rate_high
    from service.sli_daily
    where scope = 'feature' and day > $day - 14
)

select
    feature,
    any_value(latency_p50_ms) filter (where day = $day) as p50_ms,
    any_value(latency_p95_ms) filter (where day = $day) as p95_ms,
    any_value(latency_p99_ms) filter (where day = $day) as p99_ms,
    list(latency_p99_ms order by day) as p99_trend,
    any_value(error_rate) filter (where day = $day) as error_rate,
    any_value(error_rate_low) filter (where day = $day) as error_rate_low,
    any_value(error_rate_high) filter (where day = $day) as error_rate_high,
    any_value(latency_n) filter (where day = $day) as n
from days
group by feature
having n > 0
order by p99_ms desc, feature;
