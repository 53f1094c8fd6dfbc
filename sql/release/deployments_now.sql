-- One row per deployment that took place, or is to: its newest statement.

with stated as (
    select
        deployment_id,
        starts_at,
        ends_at,
        feature,
        model,
        prompt_version,
        what,
        actor,
        is_cancelled,
        row_number() over (partition by deployment_id order by change desc) as place
    from release.deployments
)

select
    cast(deployment_id as string) as deployment_id,
    cast(starts_at as timestamp) as starts_at,
    cast(ends_at as timestamp) as ends_at,
    cast(feature as string) as feature,
    cast(model as string) as model,
    cast(prompt_version as string) as prompt_version,
    cast(what as string) as what,
    cast(actor as string) as actor
from stated
where place = 1 and not is_cancelled
