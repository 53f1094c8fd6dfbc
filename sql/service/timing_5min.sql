-- One row per five minutes (UTC), dimensions as in service.sli_5min, measure and bin: how many requests took about so long.
with seen as (
    select
        *,
        five_minutes(ts) as bucket_start,
        coalesce(request_model, response_model) as asked_model,
        -- Nobody waits at a batch.
        case when coalesce(is_batch, false) = false then latency_ms end as waited_ms,
        case when coalesce(is_batch, false) = false then time_to_first_token_ms end as first_token_ms,
        case
            when coalesce(is_batch, false) = false and coalesce(response_cache_hit, false) = false
                and latency_ms > 0 and coalesce(output_tokens, 0) + coalesce(reasoning_tokens, 0) > 0
                then (coalesce(output_tokens, 0) + coalesce(reasoning_tokens, 0)) * 1e3 / nullif(latency_ms, 0)
        end as tokens_per_s
    from logs.requests
    where day = cast($day as date) and coalesce(is_shadow, false) = false
),

measured as (
    select
        seen.*,
        names.measure,
        case names.measure
            when 'latency_ms' then waited_ms
            when 'time_to_first_token_ms' then first_token_ms
            when 'queue_ms' then queue_ms
            when 'batch_wait_ms' then batch_wait_ms
            when 'model_load_ms' then model_load_ms
            when 'retrieval_ms' then retrieval_ms
            when 'filter_ms' then filter_ms
            when 'output_tokens_per_s' then tokens_per_s
        end as measured_value
    from seen
    cross join (
        values
        ('latency_ms'),
        ('time_to_first_token_ms'),
        ('queue_ms'),
        ('batch_wait_ms'),
        ('model_load_ms'),
        ('retrieval_ms'),
        ('filter_ms'),
        ('output_tokens_per_s')
    ) as names (measure)
),

binned as (
    select *, log_bin(measured_value) as bin
    from measured
    where measured_value is not null
)

select
    cast($day as date) as day,
    cast(bucket_start as timestamp with time zone) as bucket_start,
    cast(tenant as string) as tenant,
    cast(feature as string) as feature,
    cast(environment as string) as environment,
    cast(provider as string) as provider,
    cast(asked_model as string) as model,
    cast(route as string) as route,
    cast(prompt_version as string) as prompt_version,
    cast(measure as string) as measure,
    cast(bin as integer) as bin,
    cast(count(*) as bigint) as n,
    cast(sum(exact(measured_value)) as decimal(38, 3)) as value_sum
from binned
group by bucket_start, tenant, feature, environment, provider, asked_model, route, prompt_version, measure, bin
