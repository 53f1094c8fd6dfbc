-- One row per five minutes (UTC), tenant, feature, environment, provider, model, route and prompt version with traffic.
with seen as (
    select
        r.*,
        five_minutes(r.ts) as bucket_start,
        -- A call that failed has no answer to name a model: by the model that answered, failures would be another's.
        coalesce(r.request_model, r.response_model) as asked_model,
        coalesce(f.cache_max_age_s, 3600) as cache_max_age_s,
        is_valid_request(r.error_class, r.http_status, r.error_code) as is_valid,
        is_healthy(r.error_class, r.is_complete, r.finish_reason) as is_whole,
        r.error_class is not null and is_rate_limited(r.http_status, r.error_code) as is_limited,
        r.error_class is not null and is_timeout(r.http_status, r.error_code) as is_late,
        r.finish_reason in ('content_filter', 'refusal')
        or lower(r.error_code) in ('content_filter', 'refusal') as is_refused,
        coalesce(r.response_cache_lookup, false) or coalesce(r.response_cache_hit, false) as is_lookup,
        coalesce(r.is_window_truncated, r.window_lost_tokens > 0, false) as is_window_cut,
        -- Many logs speak of a cut only where there was one: those that count the prompt by part would have said so.
        r.is_window_truncated is not null
        or coalesce(
            r.window_lost_tokens,
            r.prompt_system_tokens,
            r.prompt_history_tokens,
            r.prompt_retrieved_tokens,
            r.prompt_user_tokens
        ) is not null as is_window_measured,
        coalesce(r.safety_input_verdict, 'pass') = 'pass'
        and coalesce(r.safety_output_verdict, 'pass') = 'pass'
        and coalesce(r.safety_input_verdict, r.safety_output_verdict) is not null as is_judged_safe,
        case
            when coalesce(r.output_tokens, r.reasoning_tokens, r.audio_output_tokens, r.image_output_tokens) is not null
                then coalesce(r.output_tokens, 0)
                    + coalesce(r.reasoning_tokens, 0)
                    + coalesce(r.audio_output_tokens, 0)
                    + coalesce(r.image_output_tokens, 0)
        end as all_output_tokens,
        -- Nobody waits at a batch.
        case when coalesce(r.is_batch, false) = false then r.latency_ms end as waited_ms,
        case when coalesce(r.is_batch, false) = false then r.time_to_first_token_ms end as first_token_ms
    from logs.requests as r
    left join service.features as f
        on r.feature = f.feature
    where r.day = cast($day as date) and coalesce(r.is_shadow, false) = false
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
    cast(count(*) as bigint) as requests,
    cast(count(case when is_valid then 1 end) as bigint) as valid_requests,
    cast(count(case when is_valid and is_whole then 1 end) as bigint) as healthy_requests,
    cast(count(case when is_complete = false then 1 end) as bigint) as incomplete_requests,
    cast(count(case when is_batch then 1 end) as bigint) as batch_requests,
    cast(count(case when error_class = 'client' then 1 end) as bigint) as failed_client,
    cast(count(case when error_class = 'provider' then 1 end) as bigint) as failed_provider,
    cast(count(case when error_class = 'infrastructure' then 1 end) as bigint) as failed_infrastructure,
    cast(count(case when error_class = 'model' then 1 end) as bigint) as failed_model,
    cast(count(case when error_class = 'schema' then 1 end) as bigint) as failed_schema,
    cast(count(case when is_limited then 1 end) as bigint) as rate_limited,
    cast(count(case when is_late then 1 end) as bigint) as timeouts,
    cast(count(case when is_refused then 1 end) as bigint) as refusals,
    cast(count(retry_count) as bigint) as retry_measured,
    cast(count(case when retry_count > 0 then 1 end) as bigint) as retried_requests,
    cast(sum(retry_count) as bigint) as retries,
    cast(count(case when is_fallback is not null or route is not null then 1 end) as bigint) as fallback_measured,
    cast(count(case when is_fallback then 1 end) as bigint) as fallbacks,
    cast(count(case when is_window_measured then 1 end) as bigint) as window_measured,
    cast(count(case when is_window_cut then 1 end) as bigint) as window_truncated,
    cast(sum(window_lost_tokens) as bigint) as window_lost_tokens,
    cast(count(finish_reason) as bigint) as finish_measured,
    cast(count(case when finish_reason = 'length' then 1 end) as bigint) as output_capped,
    cast(count(case when is_lookup then 1 end) as bigint) as cache_lookups,
    cast(count(case when response_cache_hit then 1 end) as bigint) as cache_hits,
    cast(
        count(case when response_cache_hit and response_cache_age_s is not null then 1 end) as bigint
    ) as cache_age_measured,
    cast(count(case when response_cache_hit and response_cache_age_s > cache_max_age_s then 1 end) as bigint) as stale_hits,
    cast(count(case when route is not null and expected_route is not null then 1 end) as bigint) as route_measured,
    cast(count(case when route = expected_route then 1 end) as bigint) as routed_as_expected,
    cast(
        count(case when safety_input_verdict is not null or safety_output_verdict is not null then 1 end) as bigint
    ) as safety_measured,
    cast(count(case when is_judged_safe then 1 end) as bigint) as safety_passed,
    cast(
        count(case when safety_input_verdict = 'block' or safety_output_verdict = 'block' then 1 end) as bigint
    ) as safety_blocked,
    cast(count(safety_input_verdict) as bigint) as safety_input_measured,
    cast(count(case when safety_input_verdict = 'flag' then 1 end) as bigint) as safety_input_flagged,
    cast(count(case when safety_input_verdict = 'block' then 1 end) as bigint) as safety_input_blocked,
    cast(count(safety_output_verdict) as bigint) as safety_output_measured,
    cast(count(case when safety_output_verdict = 'flag' then 1 end) as bigint) as safety_output_flagged,
    cast(count(case when safety_output_verdict = 'block' then 1 end) as bigint) as safety_output_blocked,
    cast(
        count(case when safety_input_verdict = 'block' and is_whole and all_output_tokens > 0 then 1 end) as bigint
    ) as safety_bypassed,
    cast(count(input_tokens) as bigint) as input_tokens_n,
    cast(sum(input_tokens) as bigint) as input_tokens,
    cast(count(all_output_tokens) as bigint) as output_tokens_n,
    cast(sum(all_output_tokens) as bigint) as output_tokens,
    cast(count(prompt_system_tokens) as bigint) as prompt_system_tokens_n,
    cast(sum(prompt_system_tokens) as bigint) as prompt_system_tokens,
    cast(count(prompt_history_tokens) as bigint) as prompt_history_tokens_n,
    cast(sum(prompt_history_tokens) as bigint) as prompt_history_tokens,
    cast(count(prompt_retrieved_tokens) as bigint) as prompt_retrieved_tokens_n,
    cast(sum(prompt_retrieved_tokens) as bigint) as prompt_retrieved_tokens,
    cast(count(prompt_user_tokens) as bigint) as prompt_user_tokens_n,
    cast(sum(prompt_user_tokens) as bigint) as prompt_user_tokens,
    cast(count(waited_ms) as bigint) as latency_n,
    cast(sum(exact(waited_ms)) as decimal(38, 3)) as latency_ms_sum,
    cast(count(case when waited_ms > 1280 then 1 end) as bigint) as latency_over_1280ms,
    cast(count(case when waited_ms > 5120 then 1 end) as bigint) as latency_over_5120ms,
    cast(count(case when waited_ms > 20480 then 1 end) as bigint) as latency_over_20480ms,
    cast(count(first_token_ms) as bigint) as time_to_first_token_n,
    cast(sum(exact(first_token_ms)) as decimal(38, 3)) as time_to_first_token_ms_sum,
    cast(count(case when first_token_ms > 500 then 1 end) as bigint) as time_to_first_token_over_500ms,
    cast(count(case when first_token_ms > 1000 then 1 end) as bigint) as time_to_first_token_over_1000ms,
    cast(count(case when first_token_ms > 2500 then 1 end) as bigint) as time_to_first_token_over_2500ms,
    cast(count(queue_ms) as bigint) as queue_n,
    cast(sum(exact(queue_ms)) as decimal(38, 3)) as queue_ms_sum,
    cast(count(batch_wait_ms) as bigint) as batch_wait_n,
    cast(sum(exact(batch_wait_ms)) as decimal(38, 3)) as batch_wait_ms_sum,
    cast(count(model_load_ms) as bigint) as model_load_n,
    cast(count(case when model_load_ms > 0 then 1 end) as bigint) as cold_starts,
    cast(sum(exact(model_load_ms)) as decimal(38, 3)) as model_load_ms_sum
from seen
group by bucket_start, tenant, feature, environment, provider, asked_model, route, prompt_version
