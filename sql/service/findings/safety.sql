-- One row per kind of safety event and feature: a filter that was passed by, a mark or personal data in an answer.

with of_environment as (
    -- Where a feature names its environments, what happens in others concerns nobody.
    select e.*
    from service.safety_events as e
    left join service.features as f
        on f.feature = e.feature
    where is_counted_in(e.environment, f.environments)
),

unsafe as (
    select
        kind,
        feature,
        case when min(model) = max(model) then min(model) end as model,
        case when min(prompt_version) = max(prompt_version) then min(prompt_version) end as prompt_version,
        min(ts) as first_seen,
        max(ts) as last_seen,
        count(*) as n
    from of_environment
    group by kind, feature
)

select
    cast($day as date) as day,
    finding_name(kind, null, feature, null, null, '') as fingerprint,
    kind as rule,
    'page' as severity,
    coalesce(feature, 'no feature') || coalesce(', ' || model, '') || coalesce(', prompt ' || prompt_version, '') || ': '
    || case kind
        when 'filter_bypass' then 'requests that the safety filter blocked and that were answered all the same, '
        when 'canary_leak' then 'answers with a mark of the system prompt, '
        when 'document_leak' then 'answers with a mark of a document, '
        else 'answers with personal data or secrets that nobody had given, '
    end
    || cast(n as string) || ' on ' || cast(cast($day as date) as string) as title,
    feature,
    model,
    prompt_version,
    cast(null as string) as tenant,
    cast(null as string) as api_key_token,
    cast(null as string) as slo,
    case when kind = 'pii_in_output' then 'compliance' else 'safety' end as cause_class,
    case kind when 'canary_leak' then 'prompt' when 'document_leak' then 'retrieval' else 'safety_filter' end as component,
    first_seen,
    last_seen,
    n,
    cast(n as double) as value,
    cast(0 as double) as threshold,
    'request' as unit,
    case
        when kind = 'filter_bypass' then 'docs/runbooks/safety-filter-failure.md'
        else 'docs/runbooks/data-leak.md'
    end as runbook,
    'select * from service.safety_events where ' || sql_equals('day', cast(cast($day as date) as string))
    || ' and ' || sql_equals('kind', kind) || ' and ' || sql_equals('feature', feature) || ' order by ts' as evidence,
    false as is_replayed_rule
from unsafe
