-- One row per hour (UTC), payer, prompt, purchase and charge class: additive sums of the charges.

select
    cast(day as date) as day,
    cast(date_trunc('hour', bucket_start) as timestamp) as hour_start,
    cast(tenant as varchar) as tenant,
    cast(team as varchar) as team,
    cast(feature as varchar) as feature,
    cast(environment as varchar) as environment,
    cast(provider as varchar) as provider,
    cast(model as varchar) as model,
    cast(prompt_id as varchar) as prompt_id,
    cast(prompt_version as varchar) as prompt_version,
    cast(route as varchar) as route,
    cast(service_tier as varchar) as service_tier,
    cast(is_batch as boolean) as is_batch,
    cast(charge_class as varchar) as charge_class,
    cast(unit as varchar) as unit,
    cast(billed_currency as varchar) as billed_currency,
    cast(state as varchar) as state,
    cast(reason as varchar) as reason,
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
