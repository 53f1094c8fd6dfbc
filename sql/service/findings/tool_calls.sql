-- One row per tool of a feature that was called and is not declared, or not approved.

with calls as (
    select
        r.rule,
        t.feature,
        t.tool_name,
        min(t.hour_start) as first_seen,
        max(t.hour_start) + interval '1' hour as last_seen,
        sum(case when r.rule = 'undeclared_tool' then t.undeclared else t.unapproved end) as n
    from service.tool_hours as t
    cross join (values ('undeclared_tool'), ('unapproved_tool')) as r (rule)
    left join service.features as f
        on f.feature = t.feature
    where
        case when r.rule = 'undeclared_tool' then t.undeclared else t.unapproved end > 0
        and is_counted_in(t.environment, f.environments)
    group by r.rule, t.feature, t.tool_name
)

select
    cast($day as date) as day,
    finding_name(rule, null, feature, null, null, tool_name) as fingerprint,
    rule,
    'ticket' as severity,
    coalesce(feature, 'no feature') || ': calls of ' || tool_name
    || case when rule = 'undeclared_tool' then ', which the feature does not declare, ' else ' that nobody had approved, ' end
    || cast(n as string) || ' on ' || cast(cast($day as date) as string) as title,
    feature,
    cast(null as string) as model,
    cast(null as string) as prompt_version,
    cast(null as string) as tenant,
    cast(null as string) as api_key_token,
    cast(null as string) as slo,
    'compliance' as cause_class,
    'tools' as component,
    first_seen,
    last_seen,
    n,
    cast(n as double) as value,
    cast(0 as double) as threshold,
    'call' as unit,
    'docs/runbooks/tool-calls.md' as runbook,
    'select * from service.tool_hours where ' || sql_equals('day', cast(cast($day as date) as string))
    || ' and ' || sql_equals('feature', feature) || ' and ' || sql_equals('tool_name', tool_name)
    || case when rule = 'undeclared_tool' then ' and undeclared > 0' else ' and unapproved > 0' end
    || ' order by hour_start' as evidence,
    false as is_replayed_rule
from calls
