-- One row per source and kind of record of the day, counted as it was delivered.
with answers as (
    select
        *,
        -- What failed, was cut short or came from the gateway's own cache may lack what an answer has.
        error_class is null and coalesce(response_cache_hit, false) = false and coalesce(is_complete, true) as is_answered
    from logs.landed
    where day = cast($day as date)
),

things as (
    select
        source,
        record_kind,
        case when record_kind = 'request' then request_id else coalesce(request_id, '') || ':' || record_digest end as thing,
        count(*) as records,
        max(case when arrived_at < cast(cast($day as date) as timestamp with time zone) + interval '36' hour then 1 else 0 end)
            as timely,
        max(case when is_answered then 1 else 0 end) as answered,
        max(case when is_answered and provider is not null then 1 else 0 end) as with_provider,
        max(case when is_answered and request_model is not null then 1 else 0 end) as with_request_model,
        max(case when is_answered and response_model is not null then 1 else 0 end) as with_response_model,
        max(
            case
                when is_answered and coalesce(
                    uncached_input_tokens, cache_read_tokens, cache_write_5m_tokens, cache_write_1h_tokens,
                    audio_input_tokens, audio_cache_read_tokens, image_input_tokens
                ) is not null then 1
                else 0
            end
        ) as with_input_tokens,
        max(
            case
                when is_answered
                    and coalesce(output_tokens, reasoning_tokens, audio_output_tokens, image_output_tokens) is not null then 1
                else 0
            end
        ) as with_output_tokens,
        max(case when is_answered and latency_ms is not null then 1 else 0 end) as with_latency_ms,
        max(case when is_answered and tenant_token is not null then 1 else 0 end) as with_tenant,
        max(case when is_answered and feature is not null then 1 else 0 end) as with_feature,
        max(case when request_id is not null then 1 else 0 end) as with_request_id
    from answers
    group by
        source,
        record_kind,
        case when record_kind = 'request' then request_id else coalesce(request_id, '') || ':' || record_digest end
)

select
    cast($day as date) as day,
    cast(source as string) as source,
    cast(record_kind as string) as record_kind,
    cast(sum(records) as bigint) as records,
    cast(count(*) as bigint) as distinct_records,
    cast(sum(timely) as bigint) as timely_records,
    cast(case when record_kind = 'request' then sum(answered) end as bigint) as answered_requests,
    cast(case when record_kind = 'request' then sum(with_provider) end as bigint) as with_provider,
    cast(case when record_kind = 'request' then sum(with_request_model) end as bigint) as with_request_model,
    cast(case when record_kind = 'request' then sum(with_response_model) end as bigint) as with_response_model,
    cast(case when record_kind = 'request' then sum(with_input_tokens) end as bigint) as with_input_tokens,
    cast(case when record_kind = 'request' then sum(with_output_tokens) end as bigint) as with_output_tokens,
    cast(case when record_kind = 'request' then sum(with_latency_ms) end as bigint) as with_latency_ms,
    cast(case when record_kind = 'request' then sum(with_tenant) end as bigint) as with_tenant,
    cast(case when record_kind = 'request' then sum(with_feature) end as bigint) as with_feature,
    cast(case when record_kind <> 'request' then sum(with_request_id) end as bigint) as with_request_id
from things
group by source, record_kind
