-- One row per day (UTC), provider, model, class, code and HTTP status of failed requests.
with seen as (
    select
        day,
        ts,
        provider,
        -- A call that failed has no answer to name a model: by the model that answered, failures would be another's.
        coalesce(request_model, response_model) as model,
        feature,
        user_token,
        error_class,
        error_code,
        http_status
    from logs.requests
    where coalesce(is_shadow, false) = false
),

asked as (
    select day, provider, model, count(*) as requests
    from seen
    group by day, provider, model
),

failed as (
    select
        day,
        provider,
        model,
        error_class,
        error_code,
        http_status,
        count(*) as failed_requests,
        count(distinct feature) as features,
        count(distinct user_token) as users,
        min(ts) as first_ts,
        max(ts) as last_ts
    from seen
    where error_class is not null
    group by day, provider, model, error_class, error_code, http_status
)

select
    cast(failed.day as date) as day,
    cast(failed.provider as string) as provider,
    cast(failed.model as string) as model,
    cast(failed.error_class as string) as error_class,
    cast(failed.error_code as string) as error_code,
    cast(failed.http_status as integer) as http_status,
    cast(failed.failed_requests as bigint) as failed_requests,
    cast(asked.requests as bigint) as requests,
    cast(cast(failed.failed_requests as double) / nullif(asked.requests, 0) as double) as error_rate,
    cast(wilson_low(failed.failed_requests, asked.requests) as double) as error_rate_low,
    cast(wilson_high(failed.failed_requests, asked.requests) as double) as error_rate_high,
    cast(failed.features as bigint) as features,
    cast(failed.users as bigint) as users,
    cast(failed.first_ts as timestamp) as first_ts,
    cast(failed.last_ts as timestamp) as last_ts
from failed
inner join asked
    on failed.day = asked.day
    and failed.provider is not distinct from asked.provider
    and failed.model is not distinct from asked.model
