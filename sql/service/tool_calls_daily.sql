-- One row per day (UTC), feature and tool that a model asked for: how the calls went, and whether they were allowed to be.
with judged as (
    select
        day,
        feature,
        tool_name,
        sum(denied) as denied,
        sum(undeclared) as undeclared,
        sum(had_to_be_approved) as had_to_be_approved,
        sum(unapproved) as unapproved,
        sum(undecided) as undecided
    from service.tool_hours
    group by day, feature, tool_name
),

measured as (
    select
        day,
        feature,
        tool_name,
        count(*) as calls,
        count(case when tool_status in ('ok', 'error', 'timeout') then 1 end) as status_measured,
        count(case when tool_status = 'error' then 1 end) as errors,
        count(case when tool_status = 'timeout' then 1 end) as timeouts,
        count(latency_ms) as latency_n,
        percentile_cont(0.5) within group (order by latency_ms nulls last) as latency_p50_ms,
        percentile_cont(0.95) within group (order by latency_ms nulls last) as latency_p95_ms
    from logs.tool_calls
    group by day, feature, tool_name
)

select
    cast(measured.day as date) as day,
    cast(measured.feature as string) as feature,
    cast(measured.tool_name as string) as tool_name,
    cast(calls as bigint) as calls,
    cast(status_measured as bigint) as status_measured,
    cast(errors as bigint) as errors,
    cast(timeouts as bigint) as timeouts,
    cast(cast(errors + timeouts as double) / nullif(status_measured, 0) as double) as failure_rate,
    cast(wilson_low(errors + timeouts, status_measured) as double) as failure_rate_low,
    cast(wilson_high(errors + timeouts, status_measured) as double) as failure_rate_high,
    cast(judged.denied as bigint) as denied,
    cast(judged.undeclared as bigint) as undeclared,
    cast(judged.had_to_be_approved as bigint) as had_to_be_approved,
    cast(judged.unapproved as bigint) as unapproved,
    cast(judged.undecided as bigint) as undecided,
    cast(latency_n as bigint) as latency_n,
    cast(latency_p50_ms as double) as latency_p50_ms,
    cast(latency_p95_ms as double) as latency_p95_ms
from measured
left join judged
    on measured.day = judged.day
    and measured.feature is not distinct from judged.feature
    and measured.tool_name = judged.tool_name
