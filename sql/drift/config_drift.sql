-- One row per day, feature, kind of configuration, value and verdict: what was in use, and whether anybody declared it.
with counted as (
    select
        coalesce(r.feature, '') as feature,
        r.embedder_version,
        r.index_version,
        r.prompt_version,
        r.tokenizer_version,
        coalesce(r.request_model, r.model) as asked,
        -- A gateway's `openai/large` is the provider's `large`.
        substr(coalesce(r.request_model, r.model), instr(coalesce(r.request_model, r.model), '/') + 1) as asked_name,
        substr(r.response_model, instr(r.response_model, '/') + 1) as answered_name
    from logs.requests as r
    left join service.features as f
        on r.feature = f.feature
    where
        r.day = cast($day as date)
        and coalesce(r.is_shadow, false) = false
        and is_counted_in(r.environment, f.environments)
),

kinds as (
    select kind
    from (
        values ('model'), ('answered_model'), ('prompt_version'), ('embedder_version'), ('index_version'), ('tokenizer_version')
    ) as kinds (kind)
),

-- `compared` is what a declaration is held against; `asked_name` the model behind which another one answered.
used as (
    select
        c.feature,
        k.kind,
        case k.kind
            when 'model' then c.asked
            when 'answered_model' then case when c.answered_name is not null then c.asked_name || ' -> ' || c.answered_name end
            when 'prompt_version' then c.prompt_version
            when 'embedder_version' then c.embedder_version
            when 'index_version' then c.index_version
            when 'tokenizer_version' then c.tokenizer_version
        end as value,
        case k.kind
            when 'answered_model' then c.answered_name
            when 'model' then c.asked_name
            when 'prompt_version' then version_name(c.prompt_version)
        end as compared_name,
        case when k.kind = 'answered_model' then c.asked_name end as asked_name
    from counted as c
    cross join kinds as k
),

valued as (
    select feature, kind, value, coalesce(compared_name, value) as compared, asked_name, count(*) as n
    from used
    where value is not null
    group by feature, kind, value, coalesce(compared_name, value), asked_name
),

totals as (
    select feature, kind, sum(n) as total
    from valued
    group by feature, kind
),

-- An answer under the very name that was asked for is no row of its own, and counts in the share.
live as (
    select *
    from valued
    where kind <> 'answered_model' or asked_name <> compared
),

declared as (
    select
        feature,
        kind,
        value,
        case kind
            when 'model' then substr(value, instr(value, '/') + 1)
            when 'prompt_version' then version_name(value)
            else value
        end as compared
    from service.declared_versions
),

declared_kinds as (
    select distinct feature, kind
    from declared
),

stated as (
    select
        feature,
        model,
        prompt_version,
        starts_at,
        is_cancelled,
        row_number() over (partition by deployment_id order by change desc) as place
    from release.deployments
),

deployed as (
    select feature, 'model' as kind, substr(model, instr(model, '/') + 1) as compared
    from stated
    where
        place = 1 and not is_cancelled and model is not null
        and starts_at < cast(cast($day as date) + interval '1' day as timestamp with time zone)
    union all
    select feature, 'prompt_version' as kind, version_name(prompt_version) as compared
    from stated
    where
        place = 1 and not is_cancelled and prompt_version is not null
        and starts_at < cast(cast($day as date) + interval '1' day as timestamp with time zone)
),

-- A dated release of a declared alias (large-2026-08-06 of large) is the alias's own, unless some dated one is declared.
known as (
    select
        l.feature,
        l.kind,
        l.value,
        l.compared,
        l.n,
        max(case when d.compared = l.compared or d.value = l.value then 1 else 0 end) as is_named,
        max(
            case
                when l.kind = 'answered_model' and d.compared = l.asked_name and is_release_of(l.compared, l.asked_name) then 1
                else 0
            end
        ) as is_release,
        max(case when l.kind = 'answered_model' and is_release_of(d.compared, l.asked_name) then 1 else 0 end) as names_releases
    from live as l
    left join declared as d
        on
            d.feature = l.feature
            and d.kind = case when l.kind = 'answered_model' then 'model' else l.kind end
    group by l.feature, l.kind, l.value, l.compared, l.n
),

released as (
    select distinct k.feature, k.kind, k.value
    from known as k
    inner join deployed as p
        on
            (p.feature is null or p.feature = k.feature)
            and p.kind = case when k.kind = 'answered_model' then 'model' else k.kind end
            and p.compared = k.compared
),

judged as (
    select
        k.feature,
        k.kind,
        k.value,
        k.n,
        case
            when k.is_named = 1 then 'seed'
            when r.value is not null then 'deployment'
            when k.is_release = 1 and k.names_releases = 0 then 'dated_release'
        end as declared_by,
        case
            when k.is_named = 1 or r.value is not null or (k.is_release = 1 and k.names_releases = 0) then 'declared'
            when dk.feature is not null then 'undeclared'
            else 'not_declared_at_all'
        end as verdict
    from known as k
    left join released as r
        on r.feature = k.feature and r.kind = k.kind and r.value = k.value
    left join declared_kinds as dk
        on dk.feature = k.feature and dk.kind = case when k.kind = 'answered_model' then 'model' else k.kind end
),

ranked as (
    select
        feature,
        kind,
        value,
        n,
        declared_by,
        verdict,
        row_number() over (partition by feature, kind, verdict order by n desc, value nulls last) as place
    from judged
),

named as (
    select
        feature,
        kind,
        verdict,
        case when place <= 100 then value else '(others)' end as value,
        max(case when place <= 100 then declared_by end) as declared_by,
        sum(n) as n
    from ranked
    group by feature, kind, verdict, case when place <= 100 then value else '(others)' end
),

seen as (
    select feature, kind, value, min(first_seen_day) as first_seen_day
    from drift.config_drift
    where n > 0
    group by feature, kind, value
),

-- A week without traffic on it: a declared fallback that rests for a day is no news.
seen_this_week as (
    select feature, 'model' as kind, compared
    from valued
    where kind in ('model', 'answered_model')
    union
    select feature, kind, compared
    from valued
    where kind not in ('model', 'answered_model')
    union
    select feature, kind, substr(value, instr(value, '/') + 1) as compared
    from drift.config_drift
    where kind = 'model' and n > 0 and day >= cast($day as date) - interval '6' day
    union
    select feature, 'model' as kind, substr(value, instr(value, ' -> ') + 4) as compared
    from drift.config_drift
    where kind = 'answered_model' and n > 0 and day >= cast($day as date) - interval '6' day
    union
    select feature, kind, case when kind = 'prompt_version' then version_name(value) else value end as compared
    from drift.config_drift
    where kind not in ('model', 'answered_model') and n > 0 and day >= cast($day as date) - interval '6' day
),

unseen as (
    select d.feature, d.kind, d.value
    from declared as d
    inner join totals as t
        on t.feature = d.feature and t.kind = d.kind
    left join seen_this_week as s
        on s.feature = d.feature and s.kind = d.kind and (s.compared = d.compared or s.compared = d.value)
    where s.feature is null
),

found as (
    select
        n.feature,
        n.kind,
        n.value,
        n.verdict,
        n.declared_by,
        n.n,
        cast(n.n as double) / nullif(t.total, 0) as share,
        case when n.value <> '(others)' then least(cast($day as date), coalesce(s.first_seen_day, cast($day as date))) end as first_seen_day
    from named as n
    inner join totals as t
        on t.feature = n.feature and t.kind = n.kind
    left join seen as s
        on s.feature = n.feature and s.kind = n.kind and s.value = n.value
    union all
    select
        feature,
        kind,
        value,
        'declared_but_unseen' as verdict,
        'seed' as declared_by,
        0 as n,
        cast(0 as double) as share,
        cast(null as date) as first_seen_day
    from unseen
)

select
    cast($day as date) as day,
    cast(feature as string) as feature,
    cast(kind as string) as kind,
    cast(value as string) as value,
    cast(verdict as string) as verdict,
    cast(declared_by as string) as declared_by,
    cast(n as bigint) as n,
    cast(share as double) as share,
    cast(first_seen_day as date) as first_seen_day,
    cast(verdict = 'undeclared' as boolean) as is_alarm,
    cast(
        case
            when verdict = 'undeclared'
                then
                    'feature ' || feature || ' uses ' || replace(kind, '_', ' ') || ' ' || value
                    || ', which is not declared: ' || cast(round(100 * share, 1) as string) || ' % of its requests, since '
                    || cast(coalesce(first_seen_day, cast($day as date)) as string)
        end as string
    ) as title
from found
