-- One row per hour (UTC), payer, prompt, purchase and charge class: additive sums of the charges.

select
    cast(day as date) as day,
    cast(date_trunc('hour', bucket_start) as timestamp) as hour_start,
    cast(tenant as string) as tenant,
    cast(team as string) as team,
    cast(feature as string) as feature,
    cast(environment as string) as environment,
    cast(provider as string) as provider,
    cast(model as string) as model,
    cast(prompt_id as string) as prompt_id,
    cast(prompt_version as string) as prompt_version,
    cast(route as string) as route,
    cast(service_tier as string) as service_tier,
    cast(is_batch as boolean) as is_batch,
    cast(charge_class as string) as charge_class,
    cast(unit as string) as unit,
    cast(billed_currency as string) as billed_currency,
    cast(state as string) as state,
    cast(reason as string) as reason,
    cast(sum(charges) as bigint) as charges,
    cast(sum(requests) as bigint) as requests,
    cast(sum(quantity) as decimal(38, 0)) as quantity,
    cast(sum(unpriced_quantity) as decimal(38, 0)) as unpriced_quantity,
    cast(sum(list_amount) as decimal(38, 12)) as list_amount,
    cast(sum(contracted_amount) as decimal(38, 12)) as contracted_amount
from cost.cost_15min
group by
    day, date_trunc('hour', bucket_start), tenant, team, feature, environment, provider, model, prompt_id, prompt_version,
    route, service_tier, is_batch, charge_class, unit, billed_currency, state, reason
