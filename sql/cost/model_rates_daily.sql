-- One row per day (UTC), provider and model: what a million of its priced tokens really cost.

with sides as (
    select
        *,
        case
            when unit <> 'token' then 'fee'
            when charge_class in ('output', 'reasoning', 'audio_output', 'image_output') then 'output'
            else 'input'
        end as side
    from cost.cost_15min
    where state = 'priced'
),

models as (
    select
        day,
        provider,
        model,
        billed_currency,
        sum(requests) as requests,
        coalesce(sum(case when side = 'input' then quantity end), 0) as input_tokens,
        coalesce(sum(case when side = 'output' then quantity end), 0) as output_tokens,
        sum(list_amount) as list_amount,
        sum(contracted_amount) as contracted_amount,
        sum(case when side = 'input' then contracted_amount end) as input_amount,
        sum(case when side = 'output' then contracted_amount end) as output_amount
    from sides
    group by day, provider, model, billed_currency
)

select
    cast(day as date) as day,
    cast(provider as string) as provider,
    cast(model as string) as model,
    cast(billed_currency as string) as billed_currency,
    cast(requests as bigint) as requests,
    cast(input_tokens as decimal(38, 0)) as input_tokens,
    cast(output_tokens as decimal(38, 0)) as output_tokens,
    cast(list_amount as decimal(38, 12)) as list_amount,
    cast(contracted_amount as decimal(38, 12)) as contracted_amount,
    cast(
        cast(contracted_amount as double) * 1000000 / nullif(cast(input_tokens as double) + cast(output_tokens as double), 0)
        as double
    ) as usd_per_million_tokens,
    cast(cast(input_amount as double) * 1000000 / nullif(cast(input_tokens as double), 0) as double)
        as usd_per_million_input_tokens,
    cast(cast(output_amount as double) * 1000000 / nullif(cast(output_tokens as double), 0) as double)
        as usd_per_million_output_tokens
from models
