-- One row per quarter of an hour (UTC), payer, prompt, purchase and charge class: additive sums of the charges.

with charges as (
    select
        date_trunc('hour', c.ts) + case
            when extract(minute from c.ts) < 15 then interval '0' minute
            when extract(minute from c.ts) < 30 then interval '15' minute
            when extract(minute from c.ts) < 45 then interval '30' minute
            else interval '45' minute
        end as bucket_start,
        r.tenant,
        r.team,
        r.feature,
        r.environment,
        c.provider,
        c.model,
        r.prompt_id,
        r.prompt_version,
        r.route,
        r.service_tier,
        r.is_batch,
        c.charge_class,
        c.unit,
        c.billed_currency,
        c.state,
        c.reason,
        -- A request has several charges and is counted under one of them, so that requests add up over all rows.
        case when c.charge_class = r.lead_charge_class then 1 else 0 end as requests,
        c.quantity,
        c.list_amount,
        c.contracted_amount
    from cost.charges as c
    inner join cost.request_costs as r
        on r.request_id = c.request_id
    where c.day = cast($day as date) and r.day = cast($day as date)
)

select
    cast($day as date) as day,
    cast(bucket_start as timestamp with time zone) as bucket_start,
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
    cast(count(*) as bigint) as charges,
    cast(sum(requests) as bigint) as requests,
    cast(sum(quantity) as decimal(38, 0)) as quantity,
    cast(
        case
            -- What was not measured is unknown, and not nothing.
            when count_if(state = 'unpriced') > 0 and count_if(state = 'unpriced' and quantity is not null) = 0 then null
            else coalesce(sum(case when state = 'unpriced' then quantity end), 0)
        end as decimal(38, 0)
    ) as unpriced_quantity,
    cast(sum(list_amount) as decimal(38, 12)) as list_amount,
    cast(sum(contracted_amount) as decimal(38, 12)) as contracted_amount
from charges
group by
    bucket_start, tenant, team, feature, environment, provider, model, prompt_id, prompt_version, route, service_tier, is_batch,
    charge_class, unit, billed_currency, state, reason
