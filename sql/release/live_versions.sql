-- One row per feature, environment, kind of version, source and value: what is said to be live, and whether the two sides agree.
with named as (
    select
        feature,
        coalesce(environment, '') as environment,
        'prompt_version' as kind,
        version_name(prompt_version) as value,
        bucket_start,
        requests
    from service.sli_5min
    where
        feature is not null and prompt_version is not null
        and day >= (select max(day) from service.sli_5min) - interval '56' day
    union all
    select
        feature,
        coalesce(environment, '') as environment,
        'model' as kind,
        -- A gateway's `openai/large` is the provider's `large`.
        substr(model, instr(model, '/') + 1) as value,
        bucket_start,
        requests
    from service.sli_5min
    where
        feature is not null and model is not null
        and day >= (select max(day) from service.sli_5min) - interval '56' day
),

hourly as (
    select
        feature,
        environment,
        kind,
        value,
        date_trunc('hour', bucket_start) as hour,
        min(bucket_start) as first_bucket,
        sum(requests) as n
    from named
    group by feature, environment, kind, value, date_trunc('hour', bucket_start)
),

-- Hours in which nobody asked are no hours without a version.
numbered as (
    select
        *,
        dense_rank() over (partition by feature, environment, kind order by hour nulls last) as number
    from hourly
),

paced as (
    select
        *,
        max(number) over (partition by feature, environment, kind) as newest,
        lag(number) over (partition by feature, environment, kind, value order by number nulls last) as number_before
    from numbered
),

used as (
    select
        feature,
        environment,
        kind,
        value,
        max(case when number_before is null or number - number_before > 6 then first_bucket end) as since,
        sum(case when number > newest - 6 then n else 0 end) as n
    from paced
    group by feature, environment, kind, value, newest
    having max(number) > newest - 6
),

logged as (
    select
        feature,
        environment,
        kind,
        value,
        cast(since as timestamp) as since,
        n,
        cast(n as double) / nullif(sum(n) over (partition by feature, environment, kind), 0) as share,
        row_number() over (partition by feature, environment, kind order by n desc, value nulls last) as place
    from used
),

released as (
    select
        feature,
        environment,
        version_name(prompt_version) as prompt_version,
        coalesce(asked_as, model) as model,
        cast(live_from as timestamp) as since,
        row_number() over (partition by prompt, environment order by number desc) as place
    from release.manifests
),

scopes as (
    select
        s.feature,
        s.environment,
        is_counted_in(s.environment, f.environments) as is_counted
    from (
        select feature, environment from logged
        union
        select feature, environment from released
    ) as s
    left join service.features as f
        on s.feature = f.feature
),

deployed as (
    select
        p.feature,
        version_name(p.prompt_version) as value,
        p.starts_at as since,
        row_number() over (partition by p.feature order by p.starts_at desc, p.deployment_id nulls last) as place
    from release.deployments_now as p
    left join release.manifests as m
        on p.deployment_id = m.release_id
    -- What a release states is said by the release, which knows its environment.
    where p.feature is not null and p.prompt_version is not null and m.release_id is null
),

pointed as (
    select
        r.prompt,
        r.alias,
        coalesce(version_name(r.prompt_version), 'number ' || cast(r.registry_version as string) || ' in the registry') as value,
        r.registry_version,
        cast(r.recorded_at as timestamp) as since,
        row_number() over (partition by r.prompt, r.alias order by r.change desc) as place
    from release.registry_log as r
    where r.alias = 'live' or substr(r.alias, 1, 5) = 'live-'
),

prompts as (
    select distinct prompt, feature
    from release.prompts
),

declared as (
    select
        d.feature,
        s.environment,
        d.kind,
        'seed' as source,
        case when d.kind = 'prompt_version' then version_name(d.value) else substr(d.value, instr(d.value, '/') + 1) end as value,
        null as since
    from service.declared_versions as d
    inner join scopes as s
        on s.feature = d.feature and s.is_counted
    where d.kind in ('prompt_version', 'model')
    union all
    select p.feature, s.environment, 'prompt_version' as kind, 'deployment' as source, p.value, p.since
    from deployed as p
    inner join scopes as s
        on s.feature = p.feature and s.is_counted
    where p.place = 1
    union all
    select feature, environment, 'prompt_version' as kind, 'release' as source, prompt_version as value, since
    from released
    where place = 1
    union all
    select feature, environment, 'model' as kind, 'release' as source, substr(model, instr(model, '/') + 1) as value, since
    from released
    where place = 1
    union all
    select p.feature, s.environment, 'prompt_version' as kind, 'registry' as source, a.value, a.since
    from pointed as a
    inner join prompts as p
        on p.prompt = a.prompt
    inner join scopes as s
        on s.feature = p.feature and (a.alias = 'live-' || s.environment or (a.alias = 'live' and s.is_counted))
    where a.place = 1 and a.registry_version is not null
),

said as (
    select feature, environment, kind, source, value, max(since) as since
    from declared
    group by feature, environment, kind, source, value
),

-- One row per value that is declared: whether it is in use, and whether any of its source's values is.
compared as (
    select
        d.feature,
        d.environment,
        d.kind,
        d.source,
        d.value,
        d.since,
        l.n,
        l.share,
        main.value as main_value,
        max(case when l.value is not null then 1 else 0 end)
            over (partition by d.feature, d.environment, d.kind, d.source) as is_any_used
    from said as d
    left join logged as l
        on l.feature = d.feature and l.environment = d.environment and l.kind = d.kind and l.value = d.value
    left join logged as main
        on main.feature = d.feature and main.environment = d.environment and main.kind = d.kind and main.place = 1
),

known as (
    select
        feature,
        environment,
        kind,
        max(value) as some_value,
        count(distinct value) as values_said
    from said
    group by feature, environment, kind
),

both_sides as (
    select
        feature,
        environment,
        kind,
        source,
        value,
        since,
        case when main_value is not null then coalesce(n, 0) end as n,
        case when main_value is not null then coalesce(share, 0e0) end as share,
        case
            when main_value is null then null
            when n is not null then true
            when source = 'seed' and is_any_used = 1 then null
            else false
        end as agrees,
        main_value as other
    from compared
    union all
    select
        l.feature,
        l.environment,
        l.kind,
        'logs' as source,
        l.value,
        l.since,
        l.n,
        l.share,
        case when k.feature is null then null else d.value is not null end as agrees,
        case when k.values_said = 1 then k.some_value end as other
    from logged as l
    left join known as k
        on k.feature = l.feature and k.environment = l.environment and k.kind = l.kind
    left join (select distinct feature, environment, kind, value from said) as d
        on d.feature = l.feature and d.environment = l.environment and d.kind = l.kind and d.value = l.value
),

manifests as (
    select distinct feature, version_name(prompt_version) as prompt_version
    from release.prompts
)

select
    cast(b.feature as string) as feature,
    cast(b.environment as string) as environment,
    cast(b.kind as string) as kind,
    cast(b.source as string) as source,
    cast(b.value as string) as value,
    cast(b.since as timestamp) as since,
    cast(b.n as bigint) as n,
    cast(b.share as double) as share,
    cast(case when b.kind = 'prompt_version' then m.feature is not null end as boolean) as has_manifest,
    cast(b.agrees as boolean) as agrees,
    cast(
        case
            when b.agrees = false and b.source = 'logs'
                then
                    b.feature || ' in ' || b.environment || ' runs ' || replace(b.kind, '_', ' ') || ' ' || b.value || ' ('
                    || cast(round(100 * b.share, 1) as string) || ' % of requests); declared is '
                    || coalesce(b.other, 'something else')
            when b.agrees = false
                then
                    b.source || ' says that ' || b.feature || ' in ' || b.environment || ' runs ' || replace(b.kind, '_', ' ')
                    || ' ' || b.value || '; the logs say ' || b.other
        end as string
    ) as title
from both_sides as b
left join manifests as m
    on m.feature = b.feature and m.prompt_version = b.value
