-- One row per release whose prompt version or safety policy no request names, and per alias of a prompt that somebody moved by hand.

with
newest as (
    select
        release_id,
        feature,
        environment,
        prompt,
        prompt_version,
        safety_policy_version,
        live_from,
        row_number() over (partition by prompt, environment order by number desc) as place
    from release.manifests
    where live_from < cast(cast($day as date) + interval '1' day as timestamp with time zone)
),

released as (
    select
        *,
        count(*) over (partition by feature, environment) as prompts
    from newest
    where place = 1
),

-- An hour to take effect; what a log says without prompt_id is the feature's one prompt.
asked as (
    select
        r.release_id,
        r.feature,
        r.environment,
        r.prompt,
        r.live_from,
        version_name(r.prompt_version) as prompt_version,
        r.safety_policy_version,
        version_name(q.prompt_version) as logged_version,
        q.safety_policy_version as logged_policy
    from released as r
    inner join logs.requests as q
        on
            q.feature = r.feature and q.environment = r.environment
            and q.ts >= r.live_from + interval '1' hour
            and coalesce(q.prompt_id, case when r.prompts = 1 then r.prompt end) = r.prompt
    where coalesce(q.is_shadow, false) = false
),

compared as (
    select
        release_id,
        feature,
        environment,
        prompt,
        live_from,
        'prompt version' as kind,
        prompt_version as declared,
        logged_version as logged
    from asked
    union all
    select
        release_id,
        feature,
        environment,
        prompt,
        live_from,
        'safety policy' as kind,
        safety_policy_version as declared,
        logged_policy as logged
    from asked
),

counted as (
    select release_id, feature, environment, prompt, live_from, kind, declared, logged, count(*) as n
    from compared
    where declared is not null and logged is not null
    group by release_id, feature, environment, prompt, live_from, kind, declared, logged
),

-- Ten requests that all name something else; while some name what was released, it is being rolled out.
not_live as (
    select
        release_id,
        feature,
        environment,
        prompt,
        live_from,
        kind,
        declared,
        max_by(logged, n) as most_logged,
        sum(n) as requests
    from counted
    group by release_id, feature, environment, prompt, live_from, kind, declared
    having sum(n) >= 10 and sum(case when logged = declared then n else 0 end) = 0
),

moved as (
    select
        prompt,
        alias,
        max_by(
            coalesce(prompt_version, 'number ' || cast(registry_version as string) || ' in the registry', 'nothing'), change
        ) as points_to,
        min(recorded_at) as first_seen,
        max(recorded_at) as last_seen,
        count(*) as n
    from release.registry_log
    where act in ('alias_found', 'alias_gone') and (alias = 'live' or substr(alias, 1, 5) = 'live-')
    group by prompt, alias
),

features as (
    select prompt, max(feature) as feature
    from release.prompts
    group by prompt
)

select
    cast($day as date) as day,
    finding_name('release_not_live', null, feature, null, null, prompt || ' ' || environment || ' ' || kind) as fingerprint,
    'release_not_live' as rule,
    'ticket' as severity,
    release_id || ' declares ' || kind || ' ' || declared || ' of ' || prompt || ' in ' || environment || '; none of '
    || cast(requests as string) || ' requests since names it, most name ' || most_logged as title,
    feature,
    cast(null as string) as model,
    case when kind = 'prompt version' then most_logged end as prompt_version,
    cast(null as string) as tenant,
    cast(null as string) as api_key_token,
    cast(null as string) as slo,
    'model' as cause_class,
    'prompt' as component,
    greatest(live_from, cast(cast($day as date) as timestamp with time zone)) as first_seen,
    cast(cast($day as date) as timestamp with time zone) + interval '1' day as last_seen,
    requests as n,
    cast(0 as double) as value,
    cast(0 as double) as threshold,
    '1' as unit,
    'docs/runbooks/release-not-live.md' as runbook,
    -- Shown, not read: the name stands apart from its `from`.
    'select * from ' || 'release.request_releases where ' || sql_equals('day', cast(cast($day as date) as string))
    || ' and ' || sql_equals('feature', feature) || ' and ' || sql_equals('environment', environment)
    || ' and ' || sql_equals('prompt', prompt) || ' order by ts desc' as evidence,
    false as is_replayed_rule
from not_live
union all
select
    cast($day as date) as day,
    finding_name('alias_moved', null, f.feature, null, null, m.prompt || ' ' || m.alias) as fingerprint,
    'alias_moved' as rule,
    'ticket' as severity,
    'alias ' || m.alias || ' of prompt ' || m.prompt || ' was moved by hand: it points to ' || m.points_to
    || ', and no release says so' as title,
    f.feature,
    cast(null as string) as model,
    cast(null as string) as prompt_version,
    cast(null as string) as tenant,
    cast(null as string) as api_key_token,
    cast(null as string) as slo,
    'model' as cause_class,
    'prompt' as component,
    m.first_seen,
    m.last_seen,
    m.n,
    cast(m.n as double) as value,
    cast(0 as double) as threshold,
    'release' as unit,
    'docs/runbooks/release-not-live.md' as runbook,
    'select * from release.registry_log where ' || sql_equals('day', cast(cast($day as date) as string))
    || ' and ' || sql_equals('prompt', m.prompt) || ' and ' || sql_equals('alias', m.alias) || ' order by change' as evidence,
    false as is_replayed_rule
from moved as m
left join features as f
    on f.prompt = m.prompt
