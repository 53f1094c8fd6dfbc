-- One row per hour (UTC), feature, environment, tool and side effect with calls: failed, undeclared and unapproved ones.

with logged as (
    select
        *,
        -- What a source does not log of any call of the feature, nor of the tool, it cannot have left out of this one.
        max(case when tool_decision is not null or approver_token is not null then 1 else 0 end)
            over (partition by source, feature) as decisions_of_feature,
        max(case when tool_decision is not null or approver_token is not null then 1 else 0 end)
            over (partition by source, tool_name) as decisions_of_tool
    from logs.tool_calls
    where day = cast($day as date)
),

calls as (
    select
        date_trunc('hour', c.ts) as hour_start,
        c.feature,
        c.environment,
        c.tool_name,
        coalesce(c.side_effect, t.side_effect) as side_effect,
        c.tool_decision,
        c.tool_status,
        c.latency_ms,
        f.feature is not null as is_known_feature,
        f.feature is not null and t.tool_name is null as is_undeclared,
        c.approver_token is not null as is_signed,
        c.decisions_of_feature = 1 or c.decisions_of_tool = 1 as is_decision_logged,
        coalesce(c.tool_decision, '') = 'denied' and coalesce(c.tool_status, '') = 'ok' as is_denied_and_done,
        (
            coalesce(t.needs_approval, false)
            or (coalesce(c.side_effect, '') = 'irreversible' and coalesce(t.side_effect, '') <> 'irreversible')
        )
        and coalesce(c.tool_decision, '') <> 'denied'
        and coalesce(c.tool_status, '') <> 'cancelled' as had_to_be_approved
    from logged as c
    left join service.features as f
        on f.feature = c.feature
    left join service.tools as t
        on t.feature = c.feature and t.tool_name = c.tool_name
)

select
    cast($day as date) as day,
    cast(hour_start as timestamp with time zone) as hour_start,
    cast(feature as string) as feature,
    cast(environment as string) as environment,
    cast(tool_name as string) as tool_name,
    cast(side_effect as string) as side_effect,
    cast(count(*) as bigint) as calls,
    cast(count_if(coalesce(tool_decision, '') = 'denied') as bigint) as denied,
    cast(count_if(coalesce(tool_status, '') in ('ok', 'error', 'timeout')) as bigint) as status_measured,
    cast(count_if(coalesce(tool_status, '') in ('error', 'timeout')) as bigint) as failed,
    cast(case when max(case when is_known_feature then 1 else 0 end) = 1 then count_if(is_undeclared) end as bigint) as undeclared,
    cast(count_if(had_to_be_approved or is_denied_and_done) as bigint) as had_to_be_approved,
    cast(
        count_if((had_to_be_approved and is_decision_logged and not is_signed) or is_denied_and_done) as bigint
    ) as unapproved,
    cast(count_if(had_to_be_approved and not is_decision_logged) as bigint) as undecided,
    cast(count(latency_ms) as bigint) as latency_n,
    cast(sum(exact(latency_ms)) as decimal(38, 3)) as latency_ms_sum
from calls
group by hour_start, feature, environment, tool_name, side_effect
