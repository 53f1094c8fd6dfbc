-- One row per day (UTC) and API key and tenant: what its requests cost.

select
    cast(day as date) as day,
    cast(tenant as string) as tenant,
    cast(api_key_token as string) as api_key_token,
    cast(billed_currency as string) as billed_currency,
    cast(count(*) as bigint) as requests,
    cast(sum(case when is_success then 1 else 0 end) as bigint) as successful_requests,
    cast(sum(case when state in ('unpriced', 'partly_priced') then 1 else 0 end) as bigint) as not_fully_priced_requests,
    cast(sum(priced_list_amount) as decimal(38, 12)) as list_amount,
    cast(sum(priced_contracted_amount) as decimal(38, 12)) as contracted_amount
from cost.request_costs
group by day, tenant, api_key_token, billed_currency
