-- One row per hour (UTC), tenant, API key and feature with traffic: what the key asked for, and what that cost.

select
    cast($day as date) as day,
    cast(date_trunc('hour', c.ts) as timestamp with time zone) as hour_start,
    cast(c.tenant as string) as tenant,
    cast(c.api_key_token as string) as api_key_token,
    cast(c.feature as string) as feature,
    cast(count(*) as bigint) as requests,
    cast(count(case when c.unpriced_charges > 0 then 1 end) as bigint) as unpriced_requests,
    cast(sum(r.input_tokens) as bigint) as input_tokens,
    cast(
        sum(
            case
                when coalesce(r.output_tokens, r.reasoning_tokens, r.audio_output_tokens, r.image_output_tokens) is not null
                    then coalesce(r.output_tokens, 0)
                        + coalesce(r.reasoning_tokens, 0)
                        + coalesce(r.audio_output_tokens, 0)
                        + coalesce(r.image_output_tokens, 0)
            end
        ) as bigint
    ) as output_tokens,
    cast(sum(c.priced_list_amount) as decimal(38, 12)) as list_amount,
    cast(sum(c.priced_contracted_amount) as decimal(38, 12)) as contracted_amount,
    cast(max(c.priced_contracted_amount) as decimal(38, 12)) as dearest_amount
from cost.request_costs as c
inner join logs.requests as r
    on r.request_id = c.request_id
where c.day = cast($day as date) and r.day = cast($day as date)
group by date_trunc('hour', c.ts), c.tenant, c.api_key_token, c.feature
