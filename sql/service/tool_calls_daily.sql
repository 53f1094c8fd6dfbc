-- One row per day (UTC), feature and tool that a model asked for: how the calls went, and whether they were allowed to be.
with calls as (
    select
        c.*,
        f.feature is not null as is_feature_declared,
        t.tool_name is not null as is_declared,
        coalesce(t.needs_approval, false)
        and coalesce(c.tool_decision, 'allowed') <> 'denied'
        and c.approver_token is null as is_unapproved,
        coalesce(t.needs_approval, false) and coalesce(c.tool_decision, 'allowed') <> 'denied' as had_to_be_approved
    from logs.tool_calls as c
    left join service.features as f
        on c.feature = f.feature
    left join service.tools as t
        on c.feature = t.feature and c.tool_name = t.tool_name
),

figures as (
    select
        day,
        feature,
        tool_name,
        count(*) as calls,
        count(tool_status) as status_measured,
        count(case when tool_status = 'error' then 1 end) as errors,
        count(case when tool_status = 'timeout' then 1 end) as timeouts,
        count(case when tool_decision = 'denied' then 1 end) as denied,
        count(case when is_feature_declared and not is_declared then 1 end) as undeclared,
        count(case when is_feature_declared then 1 end) as feature_declared,
        count(case when had_to_be_approved then 1 end) as had_to_be_approved,
        count(case when is_unapproved then 1 end) as unapproved,
        count(latency_ms) as latency_n,
        percentile_cont(0.5) within group (order by latency_ms nulls last) as latency_p50_ms,
        percentile_cont(0.95) within group (order by latency_ms nulls last) as latency_p95_ms
    from calls
    group by day, feature, tool_name
)

select
    cast(day as date) as day,
    cast(feature as string) as feature,
    cast(tool_name as string) as tool_name,
    cast(calls as bigint) as calls,
    cast(status_measured as bigint) as status_measured,
    cast(errors as bigint) as errors,
    cast(timeouts as bigint) as timeouts,
    cast(cast(errors + timeouts as double) / nullif(status_measured, 0) as double) as failure_rate,
    cast(wilson_low(errors + timeouts, status_measured) as double) as failure_rate_low,
    cast(wilson_high(errors + timeouts, status_measured) as double) as failure_rate_high,
    cast(denied as bigint) as denied,
    cast(case when feature_declared > 0 then undeclared end as bigint) as undeclared,
    cast(had_to_be_approved as bigint) as had_to_be_approved,
    cast(unapproved as bigint) as unapproved,
    cast(latency_n as bigint) as latency_n,
    cast(latency_p50_ms as double) as latency_p50_ms,
    cast(latency_p95_ms as double) as latency_p95_ms
from figures
