-- One LLM request, in its best delivery; re-deliveries of the days around are collapsed.
with versions as (
    select
        day,
        request_id,
        file_id,
        record_number,
        arrived_at,
        is_complete,
        -- An exact re-delivery is no new version: the first delivery stands for it, so that repeats change nothing.
        row_number() over (
            partition by request_id, record_digest
            order by arrived_at nulls last, file_id nulls last, record_number nulls last
        ) as delivery
    from logs.landed
    where record_kind = 'request'
),

winners as (
    select day, file_id, record_number
    from (
        select
            day,
            file_id,
            record_number,
            -- Complete first, then the newest arrival; digest and position only make the choice stable.
            row_number() over (
                partition by request_id
                order by case when is_complete = false then 1 else 0 end, arrived_at desc, file_id desc, record_number desc
            ) as place
        from versions
        where delivery = 1
    ) as ranked
    where place = 1 and day = cast($day as date)
)

select
    cast(landed.day as date) as day,
    cast(landed.file_id as string) as file_id,
    cast(landed.record_number as bigint) as record_number,
    cast(landed.source as string) as source,
    cast(landed.arrived_at as timestamp with time zone) as arrived_at,
    cast(landed.ts as timestamp with time zone) as ts,
    cast(landed.request_id as string) as request_id,
    cast(landed.trace_id as string) as trace_id,
    cast(landed.span_id as string) as span_id,
    cast(landed.parent_id as string) as parent_id,
    cast(landed.conversation_token as string) as conversation_token,
    cast(landed.conversation_turn as integer) as conversation_turn,
    cast(landed.user_token as string) as user_token,
    cast(landed.team as string) as team,
    cast(landed.feature as string) as feature,
    cast(landed.environment as string) as environment,
    cast(landed.api_key_token as string) as api_key_token,
    cast(landed.endpoint as string) as endpoint,
    cast(landed.endpoint_trust as string) as endpoint_trust,
    cast(landed.provider as string) as provider,
    cast(landed.request_model as string) as request_model,
    cast(landed.response_model as string) as response_model,
    cast(landed.region as string) as region,
    cast(landed.deployment as string) as deployment,
    cast(landed.experiment_arm as string) as experiment_arm,
    cast(landed.is_shadow as boolean) as is_shadow,
    cast(landed.route as string) as route,
    cast(landed.expected_route as string) as expected_route,
    cast(landed.prompt_id as string) as prompt_id,
    cast(landed.prompt_version as string) as prompt_version,
    cast(landed.prompt_fingerprint as string) as prompt_fingerprint,
    cast(landed.system_fingerprint as string) as system_fingerprint,
    cast(landed.prompt_characters as bigint) as prompt_characters,
    cast(landed.output_characters as bigint) as output_characters,
    cast(landed.prompt_language as string) as prompt_language,
    cast(landed.output_language as string) as output_language,
    cast(landed.temperature as double) as temperature,
    cast(landed.top_p as double) as top_p,
    cast(landed.max_output_tokens as bigint) as max_output_tokens,
    cast(landed.embedder_version as string) as embedder_version,
    cast(landed.index_version as string) as index_version,
    cast(landed.tokenizer_version as string) as tokenizer_version,
    cast(landed.safety_policy_version as string) as safety_policy_version,
    cast(landed.uncached_input_tokens as bigint) as uncached_input_tokens,
    cast(landed.cache_read_tokens as bigint) as cache_read_tokens,
    cast(landed.cache_write_5m_tokens as bigint) as cache_write_5m_tokens,
    cast(landed.cache_write_1h_tokens as bigint) as cache_write_1h_tokens,
    cast(landed.audio_input_tokens as bigint) as audio_input_tokens,
    cast(landed.audio_cache_read_tokens as bigint) as audio_cache_read_tokens,
    cast(landed.image_input_tokens as bigint) as image_input_tokens,
    cast(landed.output_tokens as bigint) as output_tokens,
    cast(landed.reasoning_tokens as bigint) as reasoning_tokens,
    cast(landed.audio_output_tokens as bigint) as audio_output_tokens,
    cast(landed.image_output_tokens as bigint) as image_output_tokens,
    cast(landed.prompt_system_tokens as bigint) as prompt_system_tokens,
    cast(landed.prompt_history_tokens as bigint) as prompt_history_tokens,
    cast(landed.prompt_retrieved_tokens as bigint) as prompt_retrieved_tokens,
    cast(landed.prompt_user_tokens as bigint) as prompt_user_tokens,
    cast(landed.window_lost_tokens as bigint) as window_lost_tokens,
    cast(landed.service_tier as string) as service_tier,
    cast(landed.is_batch as boolean) as is_batch,
    cast(landed.is_billed as boolean) as is_billed,
    cast(landed.reported_cost_usd as decimal(38,12)) as reported_cost_usd,
    cast(landed.latency_ms as double) as latency_ms,
    cast(landed.model_ms as double) as model_ms,
    cast(landed.retrieval_ms as double) as retrieval_ms,
    cast(landed.filter_ms as double) as filter_ms,
    cast(landed.queue_ms as double) as queue_ms,
    cast(landed.time_to_first_token_ms as double) as time_to_first_token_ms,
    cast(landed.batch_size as integer) as batch_size,
    cast(landed.batch_wait_ms as double) as batch_wait_ms,
    cast(landed.model_load_ms as double) as model_load_ms,
    cast(landed.retry_count as integer) as retry_count,
    cast(landed.is_fallback as boolean) as is_fallback,
    cast(landed.response_cache_lookup as boolean) as response_cache_lookup,
    cast(landed.response_cache_hit as boolean) as response_cache_hit,
    cast(landed.response_cache_age_s as double) as response_cache_age_s,
    cast(landed.finish_reason as string) as finish_reason,
    cast(landed.is_window_truncated as boolean) as is_window_truncated,
    cast(landed.error_class as string) as error_class,
    cast(landed.error_code as string) as error_code,
    cast(landed.http_status as integer) as http_status,
    cast(landed.is_complete as boolean) as is_complete,
    cast(landed.safety_input_verdict as string) as safety_input_verdict,
    cast(landed.safety_output_verdict as string) as safety_output_verdict,
    cast(landed.safety_category as string) as safety_category,
    cast(landed.citation_count as integer) as citation_count,
    cast(landed.attributes as string) as attributes,
    cast(landed.may_store_text as boolean) as may_store_text,
    cast(landed.may_label as boolean) as may_label,
    cast(landed.may_train as boolean) as may_train,
    cast(coalesce(tenants.tenant, landed.tenant_token) as string) as tenant,
    cast(coalesce(landed.response_model, landed.request_model) as string) as model,
    cast(
        case
            when coalesce(
                landed.uncached_input_tokens,
                landed.cache_read_tokens,
                landed.cache_write_5m_tokens,
                landed.cache_write_1h_tokens,
                landed.audio_input_tokens,
                landed.audio_cache_read_tokens,
                landed.image_input_tokens
            ) is not null
                then coalesce(landed.uncached_input_tokens, 0)
                    + coalesce(landed.cache_read_tokens, 0)
                    + coalesce(landed.cache_write_5m_tokens, 0)
                    + coalesce(landed.cache_write_1h_tokens, 0)
                    + coalesce(landed.audio_input_tokens, 0)
                    + coalesce(landed.audio_cache_read_tokens, 0)
                    + coalesce(landed.image_input_tokens, 0)
        end as bigint
    ) as input_tokens
from logs.landed as landed
inner join winners
    on landed.file_id = winners.file_id and landed.record_number = winners.record_number
left join logs.tenants as tenants
    on landed.tenant_token = tenants.tenant_token
where landed.day = cast($day as date)
