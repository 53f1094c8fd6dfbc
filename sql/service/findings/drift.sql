-- One row per change of traffic, per endpoint whose answers moved, and per undeclared thing that came into use.

with
-- The golden prompts of an endpoint are one thing, whatever of their answers moved.
probed as (
    select
        endpoint,
        max_by(title, abs(effect) / nullif(floor, 0)) as title,
        count(*) as metrics,
        min(window_first_day) as since_day,
        max(n) as n,
        max_by(effect, abs(effect) / nullif(floor, 0)) as effect,
        max_by(floor, abs(effect) / nullif(floor, 0)) as floor
    from drift.provider_tests
    where is_alarm
    group by endpoint
),

-- What came into use on one day came for one reason.
undeclared as (
    select
        feature,
        kind,
        first_seen_day,
        max_by(title, n) as title,
        count(*) as versions,
        sum(n) as n,
        sum(share) as share
    from drift.config_drift
    where is_alarm
    group by feature, kind, first_seen_day
),

-- A release by itself is no news: of a version that nobody declared, drift.config tells.
more_than_a_version as (
    select change_id
    from drift.changes
    where metric not in ('prompt_version', 'index_version', 'embedder_version')
    group by change_id
),

-- drift.changes has put the verdicts together: the first of each change names it, and its evidence shows the others.
drifting as (
    select
        'drift.' || change_family as rule,
        ticket as title,
        case when segment_kind = 'feature' and segment <> '(others)' then segment end as feature,
        case when segment_kind = 'model' and segment <> '(others)' then segment end as model,
        case when segment_kind = 'tenant' and segment <> '(others)' then segment end as tenant,
        -- The change has one name, whoever names it tonight.
        'drift' as rule_part,
        cast(null as string) as feature_part,
        change_id as subject,
        cause_class,
        component,
        change_since_day as since_day,
        n,
        effect as value,
        floor as threshold,
        -- Standard deviations; else a distance, or a share.
        case when family = 'numeric' then 'sd' else '1' end as unit,
        'drift.changes where ' || sql_equals('day', cast(cast($day as date) as string))
        || ' and ' || sql_equals('change_id', change_id) || ' order by place' as shown
    from drift.changes
    where place = 1 and change_id in (select change_id from more_than_a_version)
    union all
    select
        'drift.provider' as rule,
        title || case metrics
            when 1 then ''
            when 2 then '; 1 more metric moved'
            else '; ' || cast(metrics - 1 as string) || ' more metrics moved'
        end as title,
        cast(null as string) as feature,
        cast(null as string) as model,
        cast(null as string) as tenant,
        'drift.provider' as rule_part,
        cast(null as string) as feature_part,
        endpoint as subject,
        'model' as cause_class,
        'provider' as component,
        since_day,
        n,
        effect as value,
        floor as threshold,
        '1' as unit,
        'drift.provider_tests where ' || sql_equals('day', cast(cast($day as date) as string))
        || ' and ' || sql_equals('endpoint', endpoint) || ' and is_alarm order by metric' as shown
    from probed
    union all
    select
        'drift.config' as rule,
        title || case versions
            when 1 then ''
            when 2 then '; 1 more is in use since that day'
            else '; ' || cast(versions - 1 as string) || ' more are in use since that day'
        end as title,
        nullif(feature, '') as feature,
        cast(null as string) as model,
        cast(null as string) as tenant,
        'drift.config' as rule_part,
        nullif(feature, '') as feature_part,
        kind || ' ' || cast(first_seen_day as string) as subject,
        case when kind in ('embedder_version', 'index_version') then 'data' else 'model' end as cause_class,
        case kind
            when 'prompt_version' then 'prompt'
            when 'embedder_version' then 'retrieval'
            when 'index_version' then 'retrieval'
            else 'provider'
        end as component,
        first_seen_day as since_day,
        n,
        share as value,
        cast(0 as double) as threshold,
        '1' as unit,
        'drift.config_drift where ' || sql_equals('day', cast(cast($day as date) as string))
        || ' and ' || sql_equals('feature', feature) || ' and ' || sql_equals('kind', kind)
        || ' and is_alarm order by n desc' as shown
    from undeclared
)

select
    cast($day as date) as day,
    finding_name(rule_part, null, feature_part, null, null, subject) as fingerprint,
    rule,
    'ticket' as severity,
    title,
    feature,
    model,
    cast(null as string) as prompt_version,
    tenant,
    cast(null as string) as api_key_token,
    cast(null as string) as slo,
    cause_class,
    component,
    cast(since_day as timestamp with time zone) as first_seen,
    cast(cast($day as date) as timestamp with time zone) + interval '1' day as last_seen,
    n,
    value,
    threshold,
    unit,
    'docs/runbooks/drift.md' as runbook,
    'select * from ' || shown as evidence,
    false as is_replayed_rule
from drifting
