-- One row per day (UTC) and conversation: what its requests cost.

select
    cast(day as date) as day,
    cast(tenant as string) as tenant,
    cast(feature as string) as feature,
    cast(conversation_token as string) as conversation_token,
    cast(billed_currency as string) as billed_currency,
    cast(min(ts) as timestamp) as first_ts,
    cast(max(ts) as timestamp) as last_ts,
    cast(count(*) as bigint) as requests,
    cast(sum(case when is_success then 1 else 0 end) as bigint) as successful_requests,
    cast(sum(case when state in ('unpriced', 'partly_priced') then 1 else 0 end) as bigint) as not_fully_priced_requests,
    cast(sum(priced_list_amount) as decimal(38, 12)) as list_amount,
    cast(sum(priced_contracted_amount) as decimal(38, 12)) as contracted_amount
from cost.request_costs
where conversation_token is not null
group by day, tenant, feature, conversation_token, billed_currency
