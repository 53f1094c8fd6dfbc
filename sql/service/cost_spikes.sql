-- One row per hour (UTC), tenant and API key that cost 1 USD or more: is it far above what the key's dear hours usually cost.

with key_hour as (
    select
        day,
        hour_start,
        tenant,
        api_key_token,
        -- Engines differ where what is looked up is NULL.
        nullif(max_by(coalesce(feature, ''), contracted_amount), '') as top_feature,
        max(contracted_amount) as top_feature_amount,
        sum(requests) as requests,
        sum(unpriced_requests) as unpriced_requests,
        sum(contracted_amount) as contracted_amount,
        max(dearest_amount) as dearest_amount
    from service.key_hours
    group by day, hour_start, tenant, api_key_token
),

dearest as (
    select day, tenant, api_key_token, cast(max(contracted_amount) as double) as amount
    from key_hour
    where contracted_amount is not null and day < cast($day as date)
    group by day, tenant, api_key_token
),

history as (
    select
        tenant,
        api_key_token,
        count(*) as history_days,
        percentile_cont(0.8) within group (order by amount nulls last) as usual_amount,
        max(case when day = cast($day as date) - interval '7' day then amount end) as week_before,
        max(case when day = cast($day as date) - interval '14' day then amount end) as fortnight_before
    from dearest
    group by tenant, api_key_token
),

judged as (
    select
        k.*,
        coalesce(h.history_days, 0) as history_days,
        h.usual_amount,
        case
            when h.week_before is not null and h.fortnight_before is not null
                then least(h.week_before, h.fortnight_before)
        end as weekday_amount
    from key_hour as k
    left join history as h
        -- Both may be NULL: traffic without a tenant or a key is compared with its like.
        on coalesce(k.tenant, '') = coalesce(h.tenant, '') and coalesce(k.api_key_token, '') = coalesce(h.api_key_token, '')
    where k.day = cast($day as date) and k.contracted_amount >= 1
),

bounded as (
    select
        *,
        case
            when history_days >= 7
                then greatest(3 * usual_amount, usual_amount + 1, 2 * coalesce(weekday_amount, 0))
        end as threshold_amount
    from judged
)

select
    cast($day as date) as day,
    cast(hour_start as timestamp with time zone) as hour_start,
    cast(tenant as string) as tenant,
    cast(api_key_token as string) as api_key_token,
    cast(top_feature as string) as top_feature,
    cast(top_feature_amount as decimal(38, 12)) as top_feature_amount,
    cast(requests as bigint) as requests,
    cast(unpriced_requests as bigint) as unpriced_requests,
    cast(contracted_amount as decimal(38, 12)) as contracted_amount,
    cast(dearest_amount as decimal(38, 12)) as dearest_amount,
    cast(history_days as integer) as history_days,
    cast(usual_amount as double) as usual_amount,
    cast(weekday_amount as double) as weekday_amount,
    cast(threshold_amount as double) as threshold_amount,
    cast(
        case
            when threshold_amount is null then 'not_enough_data'
            when cast(contracted_amount as double) <= threshold_amount then 'usual'
            when cast(contracted_amount - dearest_amount as double) <= 2 * usual_amount then 'one_request'
            when cast(contracted_amount as double) > 5 * usual_amount
                and cast(contracted_amount as double) >= usual_amount + 25 then 'large_spike'
            else 'spike'
        end as string
    ) as state
from bounded
