-- One row per day (UTC), feature and model whose requests were looked up in the gateway's response cache.
with counted as (
    select
        day,
        feature,
        model,
        sum(cache_lookups) as lookups,
        sum(cache_hits) as hits,
        sum(cache_age_measured) as hits_of_known_age,
        sum(stale_hits) as stale_hits
    from service.sli_5min
    group by day, feature, model
),

-- What an answer costs that was looked for in the cache, and not found. What was not billed has no price to go by.
missed as (
    select
        r.day,
        r.feature,
        coalesce(r.request_model, r.response_model) as model,
        count(*) as answered_misses,
        count(case when c.state = 'priced' then c.contracted_amount end) as priced_misses,
        sum(case when c.state = 'priced' then c.contracted_amount end) as miss_amount
    from logs.requests as r
    inner join cost.request_costs as c
        on r.day = c.day and r.request_id = c.request_id
    where
        coalesce(r.is_shadow, false) = false
        and coalesce(r.response_cache_lookup, false)
        and coalesce(r.response_cache_hit, false) = false
        and is_healthy(r.error_class, r.is_complete, r.finish_reason)
    group by r.day, r.feature, coalesce(r.request_model, r.response_model)
)

select
    cast(counted.day as date) as day,
    cast(counted.feature as string) as feature,
    cast(counted.model as string) as model,
    cast(counted.lookups as bigint) as lookups,
    cast(counted.hits as bigint) as hits,
    cast(cast(counted.hits as double) / nullif(counted.lookups, 0) as double) as hit_rate,
    cast(wilson_low(counted.hits, counted.lookups) as double) as hit_rate_low,
    cast(wilson_high(counted.hits, counted.lookups) as double) as hit_rate_high,
    cast(counted.hits_of_known_age as bigint) as hits_of_known_age,
    cast(counted.stale_hits as bigint) as stale_hits,
    cast(cast(counted.stale_hits as double) / nullif(counted.hits_of_known_age, 0) as double) as stale_rate,
    cast(coalesce(missed.answered_misses, 0) as bigint) as answered_misses,
    cast(coalesce(missed.priced_misses, 0) as bigint) as priced_misses,
    cast(cast(missed.miss_amount as double) / nullif(missed.priced_misses, 0) as double) as usd_per_miss,
    cast(counted.hits * (cast(missed.miss_amount as double) / nullif(missed.priced_misses, 0)) as decimal(38, 12))
        as saved_amount
from counted
left join missed
    on counted.day = missed.day
    and counted.feature is not distinct from missed.feature
    and counted.model is not distinct from missed.model
where counted.lookups > 0
