-- One row per request of a feature that was ever released: the release of its version, and the one that was in force.
with releases as (
    select
        release_id,
        feature,
        environment,
        prompt,
        version_name(prompt_version) as prompt_version,
        cast(live_from as timestamp) as live_from,
        number
    from release.manifests
),

in_force as (
    select
        *,
        lead(live_from) over (
            partition by feature, environment, prompt order by live_from nulls last, number nulls last
        ) as live_until
    from releases
),

of_version as (
    select
        *,
        lead(live_from) over (
            partition by feature, environment, prompt, prompt_version order by live_from nulls last, number nulls last
        ) as live_until
    from releases
),

-- A log without prompt_id means the prompt of a feature that has one alone.
released as (
    select feature, environment, prompt, case when prompts = 1 then prompt end as only_prompt
    from (
        select feature, environment, prompt, count(*) over (partition by feature, environment) as prompts
        from (select distinct feature, environment, prompt from releases) as each_prompt
    ) as counted
),

asked as (
    select
        r.day,
        r.request_id,
        cast(r.ts as timestamp) as ts,
        r.user_token,
        r.feature,
        r.environment,
        e.prompt,
        r.prompt_version,
        r.is_shadow
    from logs.requests as r
    inner join released as e
        on e.feature = r.feature and e.environment = r.environment and e.prompt = coalesce(r.prompt_id, e.only_prompt)
)

select
    cast(a.day as date) as day,
    cast(a.request_id as string) as request_id,
    cast(a.ts as timestamp) as ts,
    cast(a.user_token as string) as user_token,
    cast(a.feature as string) as feature,
    cast(a.environment as string) as environment,
    cast(a.prompt as string) as prompt,
    cast(a.prompt_version as string) as prompt_version,
    cast(a.is_shadow as boolean) as is_shadow,
    cast(v.release_id as string) as release_id,
    cast(f.release_id as string) as release_in_force,
    cast(
        case
            when a.prompt_version is null then 'unnamed'
            when f.release_id is null then 'before_any'
            when f.prompt_version = version_name(a.prompt_version) then 'in_force'
            when v.release_id is not null then 'earlier'
            else 'not_released'
        end as string
    ) as state
from asked as a
left join in_force as f
    on
        f.feature = a.feature and f.environment = a.environment and f.prompt = a.prompt
        and f.live_from <= a.ts and (f.live_until is null or a.ts < f.live_until)
left join of_version as v
    on
        v.feature = a.feature and v.environment = a.environment and v.prompt = a.prompt
        and v.prompt_version = version_name(a.prompt_version)
        and v.live_from <= a.ts and (v.live_until is null or a.ts < v.live_until)
