-- One row per share of requests, prompts or calls that is above its limit for hours (service.share_breaches).

with shares as (
    select
        rule,
        feature,
        model,
        tool_name,
        case when min(prompt_version) = max(prompt_version) then min(prompt_version) end as prompt_version,
        min(first_bad_at) as first_seen,
        -- An hour is in here only where it adds to what is bad.
        max(hour_start) + interval '1' hour as last_seen,
        max_by(bad, lower_bound) as bad,
        max_by(total, lower_bound) as total,
        max_by(window_hours, lower_bound) as window_hours,
        max_by(threshold, lower_bound) as threshold
    from service.share_breaches
    group by rule, feature, model, tool_name
)

select
    cast($day as date) as day,
    finding_name(
        rule, null, feature, case when rule in ('queue_backlog', 'truncation') then model end, null, coalesce(tool_name, '')
    ) as fingerprint,
    rule,
    'ticket' as severity,
    case when rule = 'queue_backlog' then 'all features' else coalesce(feature, 'no feature') end
    || coalesce(', ' || model, case when rule in ('queue_backlog', 'truncation') then ', no model' else '' end)
    || coalesce(', prompt ' || prompt_version, '') || ': ' || cast(bad as string) || ' of ' || cast(total as string)
    || case rule when 'truncation' then ' prompts' when 'tool_errors' then ' calls of ' || tool_name else ' requests' end
    || ' in ' || cast(window_hours as string) || ' h '
    || case rule
        when 'queue_backlog' then 'waited longer than 5 s in the queue'
        when 'misrouting' then 'took another route than expected'
        when 'truncation' then 'were cut to fit the window'
        else 'failed'
    end
    || ' (limit ' || cast(round(100 * threshold, 1) as string) || ' %)' as title,
    feature,
    model,
    prompt_version,
    cast(null as string) as tenant,
    cast(null as string) as api_key_token,
    cast(null as string) as slo,
    case when rule = 'truncation' then 'data' else 'infrastructure' end as cause_class,
    case rule
        when 'queue_backlog' then 'queue'
        when 'misrouting' then 'router'
        when 'truncation' then 'prompt'
        else 'tools'
    end as component,
    first_seen,
    last_seen,
    bad as n,
    cast(bad as double) / nullif(total, 0) as value,
    threshold,
    '1' as unit,
    case rule
        when 'queue_backlog' then 'docs/runbooks/queue-backlog.md'
        when 'misrouting' then 'docs/runbooks/misrouting.md'
        when 'truncation' then 'docs/runbooks/truncation.md'
        else 'docs/runbooks/tool-calls.md'
    end as runbook,
    'select * from service.share_breaches where ' || sql_equals('day', cast(cast($day as date) as string))
    || ' and ' || sql_equals('rule', rule) || ' and ' || sql_equals('feature', feature)
    || ' and ' || sql_equals('model', model) || ' and ' || sql_equals('tool_name', tool_name)
    || ' order by hour_start, window_hours' as evidence,
    false as is_replayed_rule
from shares
