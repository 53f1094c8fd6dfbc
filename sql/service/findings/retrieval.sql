-- One row per right that searches break, and per index whose release was held back.

with
-- A label is one right that is broken, whatever documents have it.
let_in as (
    select
        v.feature,
        v.access_label,
        min(v.ts) as first_seen,
        max(v.ts) as last_seen,
        count(*) as n,
        count(distinct v.document_id) as documents,
        count(distinct v.tenant) as tenants
    from retrieval.access_violations as v
    left join service.features as f
        on f.feature = v.feature
    where is_counted_in(v.environment, f.environments)
    group by v.feature, v.access_label
),

-- A release that a kill cut short was made again, and one that a person accepted went live after all.
held_back as (
    select
        r.index_name,
        max(r.release) as release,
        max_by(r.reason, r.release) as reason,
        count(*) as n
    from retrieval.index_releases as r
    left join (
        select index_name, max(release) as release
        from retrieval.index_releases
        where state = 'live' and what <> 'deletions'
        group by index_name
    ) as later
        on later.index_name = r.index_name and later.release > r.release
    where r.state = 'rejected' and r.reason not like 'it was cut short%' and later.index_name is null
    group by r.index_name
)

select
    cast($day as date) as day,
    finding_name('access_violation', null, feature, null, null, access_label) as fingerprint,
    'access_violation' as rule,
    'page' as severity,
    coalesce(feature, 'no feature') || ': ' || cast(documents as string)
    || case when documents = 1 then ' document' else ' documents' end || ' labelled ' || access_label
    || ', found ' || cast(n as string) || case when n = 1 then ' time' else ' times' end || ' for callers of '
    || cast(tenants as string) || case when tenants = 1 then ' tenant' else ' tenants' end
    || ' who may not receive what has this label' as title,
    feature,
    cast(null as string) as model,
    cast(null as string) as prompt_version,
    cast(null as string) as tenant,
    cast(null as string) as api_key_token,
    cast(null as string) as slo,
    'compliance' as cause_class,
    'retrieval' as component,
    first_seen,
    last_seen,
    n,
    cast(documents as double) as value,
    cast(0 as double) as threshold,
    'document' as unit,
    'docs/runbooks/access-violation.md' as runbook,
    'select * from retrieval.access_violations where ' || sql_equals('day', cast(cast($day as date) as string))
    || ' and ' || sql_equals('feature', feature) || ' and ' || sql_equals('access_label', access_label)
    || ' order by ts' as evidence,
    false as is_replayed_rule
from let_in
union all
select
    cast($day as date) as day,
    finding_name('index_held_back', null, null, null, null, index_name) as fingerprint,
    'index_held_back' as rule,
    'ticket' as severity,
    'index ' || index_name || ': release ' || cast(release as string) || ' was held back, '
    || 'the one before answers: ' || reason as title,
    cast(null as string) as feature,
    cast(null as string) as model,
    cast(null as string) as prompt_version,
    cast(null as string) as tenant,
    cast(null as string) as api_key_token,
    cast(null as string) as slo,
    'data' as cause_class,
    'retrieval' as component,
    cast(cast($day as date) as timestamp with time zone) as first_seen,
    cast(cast($day as date) as timestamp with time zone) + interval '1' day as last_seen,
    n,
    cast(n as double) as value,
    cast(0 as double) as threshold,
    'release' as unit,
    'docs/runbooks/index-release.md' as runbook,
    'select * from retrieval.index_releases where ' || sql_equals('day', cast(cast($day as date) as string))
    || ' and ' || sql_equals('index_name', index_name) || ' and ' || sql_equals('state', 'rejected')
    || ' order by release desc' as evidence,
    false as is_replayed_rule
from held_back
