-- One row per thing that a rule found on a day: its first to its last hour, figures, runbook and evidence.

with found as (
    select
        'filter_bypass' as rule,
        feature,
        min(ts) as first_seen,
        max(ts) as last_seen,
        count(*) as n
    from logs.requests
    where
        day = cast($day as date)
        and safety_input_verdict = 'block'
        and error_class is null
        and output_tokens > 0
        and coalesce(is_shadow, false) = false
    group by feature
)

select
    cast($day as date) as day,
    cast(rule || '||' || replace(replace(coalesce(feature, ''), '%', '%25'), '|', '%7C') || '|||' as string) as fingerprint,
    cast(rule as string) as rule,
    cast('page' as string) as severity,
    cast(cast(n as string) || ' blocked requests were answered all the same' as string) as title,
    cast(feature as string) as feature,
    cast(null as string) as model,
    cast(null as string) as prompt_version,
    cast(null as string) as tenant,
    cast(null as string) as api_key_token,
    cast(null as string) as slo,
    cast('safety' as string) as cause_class,
    cast('safety_filter' as string) as component,
    cast(first_seen as timestamp with time zone) as first_seen,
    cast(last_seen as timestamp with time zone) as last_seen,
    cast(n as bigint) as n,
    cast(n as double) as value,
    cast(0 as double) as threshold,
    cast('request' as string) as unit,
    cast('docs/runbooks/safety-filter-failure.md' as string) as runbook,
    cast(
        'select * from logs.requests where day = cast(' || chr(39) || cast(cast($day as date) as string) || chr(39)
        || ' as date) and safety_input_verdict = ' || chr(39) || 'block' || chr(39)
        || ' and error_class is null and output_tokens > 0' as string
    ) as evidence,
    cast(false as boolean) as is_replayed_rule
from found
