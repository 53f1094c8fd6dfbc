-- One row per request: what it cost in all, whom it served, and how much of it could not be priced.

with totals as (
    select
        request_id,
        count(*) as charges,
        min(charge_class) as lead_charge_class,
        max(billed_currency) as billed_currency,
        sum(list_amount) as priced_list_amount,
        sum(contracted_amount) as priced_contracted_amount,
        sum(case when state = 'priced' then 1 else 0 end) as priced_charges,
        sum(case when state = 'unpriced' then 1 else 0 end) as unpriced_charges
    from cost.charges
    where day = cast($day as date)
    group by request_id
)

select
    cast($day as date) as day,
    cast(r.request_id as string) as request_id,
    cast(r.ts as timestamp with time zone) as ts,
    cast(r.tenant as string) as tenant,
    cast(r.team as string) as team,
    cast(r.feature as string) as feature,
    cast(r.environment as string) as environment,
    cast(r.user_token as string) as user_token,
    cast(r.api_key_token as string) as api_key_token,
    cast(r.trace_id as string) as trace_id,
    cast(r.conversation_token as string) as conversation_token,
    cast(r.provider as string) as provider,
    cast(r.model as string) as model,
    cast(r.prompt_id as string) as prompt_id,
    cast(r.prompt_version as string) as prompt_version,
    cast(r.route as string) as route,
    cast(r.service_tier as string) as service_tier,
    cast(r.is_batch as boolean) as is_batch,
    cast(r.error_class is null as boolean) as is_success,
    cast(t.charges as integer) as charges,
    cast(t.unpriced_charges as integer) as unpriced_charges,
    cast(t.lead_charge_class as string) as lead_charge_class,
    cast(
        case
            when t.unpriced_charges = 0 and t.priced_charges = 0 then 'not_billed'
            when t.unpriced_charges = 0 then 'priced'
            when t.priced_charges = 0 then 'unpriced'
            else 'partly_priced'
        end as string
    ) as state,
    cast(t.billed_currency as string) as billed_currency,
    cast(case when t.unpriced_charges = 0 then t.priced_list_amount end as decimal(38, 12)) as list_amount,
    cast(case when t.unpriced_charges = 0 then t.priced_contracted_amount end as decimal(38, 12)) as contracted_amount,
    -- Amounts of unpriced charges are NULL and sums pass over them: these are what is known of the cost.
    cast(t.priced_list_amount as decimal(38, 12)) as priced_list_amount,
    cast(t.priced_contracted_amount as decimal(38, 12)) as priced_contracted_amount,
    cast(r.reported_cost_usd as decimal(38, 12)) as reported_cost_usd
from totals as t
inner join logs.requests as r
    on r.request_id = t.request_id
where r.day = cast($day as date)
