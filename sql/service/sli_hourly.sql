-- One row per hour (UTC) and scope (all traffic, or one tenant, feature, model ...): the rates of the service.
with scopes as (
    select
        day,
        hour_start,
        case
            when grouping(feature) = 0 and grouping(model) = 0 then 'feature_model'
            when grouping(tenant) = 0 then 'tenant'
            when grouping(feature) = 0 then 'feature'
            when grouping(environment) = 0 then 'environment'
            when grouping(provider) = 0 then 'provider'
            when grouping(model) = 0 then 'model'
            when grouping(route) = 0 then 'route'
            when grouping(prompt_version) = 0 then 'prompt_version'
            else 'all'
        end as scope,
        tenant,
        feature,
        environment,
        provider,
        model,
        route,
        prompt_version,
        sum(requests) as requests,
        sum(valid_requests) as valid_requests,
        sum(healthy_requests) as healthy_requests,
        sum(incomplete_requests) as incomplete_requests,
        sum(failed_client) as failed_client,
        sum(failed_provider) as failed_provider,
        sum(failed_infrastructure) as failed_infrastructure,
        sum(failed_model) as failed_model,
        sum(failed_schema) as failed_schema,
        sum(rate_limited) as rate_limited,
        sum(timeouts) as timeouts,
        sum(refusals) as refusals,
        sum(retry_measured) as retry_measured,
        sum(retried_requests) as retried_requests,
        sum(fallback_measured) as fallback_measured,
        sum(fallbacks) as fallbacks,
        sum(window_measured) as window_measured,
        sum(window_truncated) as window_truncated,
        sum(finish_measured) as finish_measured,
        sum(output_capped) as output_capped,
        sum(cache_lookups) as cache_lookups,
        sum(cache_hits) as cache_hits,
        sum(cache_age_measured) as cache_age_measured,
        sum(stale_hits) as stale_hits,
        sum(route_measured) as route_measured,
        sum(routed_as_expected) as routed_as_expected,
        sum(safety_measured) as safety_measured,
        sum(safety_passed) as safety_passed,
        sum(safety_blocked) as safety_blocked,
        sum(input_tokens_n) as input_tokens_n,
        sum(input_tokens) as input_tokens,
        sum(output_tokens_n) as output_tokens_n,
        sum(output_tokens) as output_tokens,
        sum(latency_n) as latency_n,
        sum(latency_over_5120ms) as latency_over_5120ms,
        sum(time_to_first_token_n) as time_to_first_token_n,
        sum(time_to_first_token_over_1000ms) as time_to_first_token_over_1000ms,
        sum(model_load_n) as model_load_n,
        sum(cold_starts) as cold_starts,
        sum(failed_client + failed_provider + failed_infrastructure + failed_model + failed_schema) as failed_requests
    from (
        select *, date_trunc('hour', bucket_start) as hour_start
        from service.sli_5min
    ) as buckets
    group by grouping sets (
        (day, hour_start),
        (day, hour_start, tenant),
        (day, hour_start, feature),
        (day, hour_start, environment),
        (day, hour_start, provider),
        (day, hour_start, model),
        (day, hour_start, route),
        (day, hour_start, prompt_version),
        (day, hour_start, feature, model)
    )
)

select
    cast(s.day as date) as day,
    cast(s.hour_start as timestamp) as hour_start,
    cast(s.scope as string) as scope,
    cast(s.tenant as string) as tenant,
    cast(s.feature as string) as feature,
    cast(s.environment as string) as environment,
    cast(s.provider as string) as provider,
    cast(s.model as string) as model,
    cast(s.route as string) as route,
    cast(s.prompt_version as string) as prompt_version,
    cast(s.requests as bigint) as requests,
    cast(s.valid_requests as bigint) as valid_requests,
    cast(s.healthy_requests as bigint) as healthy_requests,
    cast(s.incomplete_requests as bigint) as incomplete_requests,
    cast(s.failed_client as bigint) as failed_client,
    cast(s.failed_provider as bigint) as failed_provider,
    cast(s.failed_infrastructure as bigint) as failed_infrastructure,
    cast(s.failed_model as bigint) as failed_model,
    cast(s.failed_schema as bigint) as failed_schema,
    cast(s.rate_limited as bigint) as rate_limited,
    cast(s.timeouts as bigint) as timeouts,
    cast(s.refusals as bigint) as refusals,
    cast(s.retry_measured as bigint) as retry_measured,
    cast(s.retried_requests as bigint) as retried_requests,
    cast(s.fallback_measured as bigint) as fallback_measured,
    cast(s.fallbacks as bigint) as fallbacks,
    cast(s.window_measured as bigint) as window_measured,
    cast(s.window_truncated as bigint) as window_truncated,
    cast(s.finish_measured as bigint) as finish_measured,
    cast(s.output_capped as bigint) as output_capped,
    cast(s.cache_lookups as bigint) as cache_lookups,
    cast(s.cache_hits as bigint) as cache_hits,
    cast(s.cache_age_measured as bigint) as cache_age_measured,
    cast(s.stale_hits as bigint) as stale_hits,
    cast(s.route_measured as bigint) as route_measured,
    cast(s.routed_as_expected as bigint) as routed_as_expected,
    cast(s.safety_measured as bigint) as safety_measured,
    cast(s.safety_passed as bigint) as safety_passed,
    cast(s.safety_blocked as bigint) as safety_blocked,
    cast(s.input_tokens_n as bigint) as input_tokens_n,
    cast(s.input_tokens as bigint) as input_tokens,
    cast(s.output_tokens_n as bigint) as output_tokens_n,
    cast(s.output_tokens as bigint) as output_tokens,
    cast(s.latency_n as bigint) as latency_n,
    cast(s.latency_over_5120ms as bigint) as latency_over_5120ms,
    cast(s.time_to_first_token_n as bigint) as time_to_first_token_n,
    cast(s.time_to_first_token_over_1000ms as bigint) as time_to_first_token_over_1000ms,
    cast(s.model_load_n as bigint) as model_load_n,
    cast(s.cold_starts as bigint) as cold_starts,
    cast(s.failed_requests as bigint) as failed_requests,
    cast(cast(s.healthy_requests as double) / nullif(s.valid_requests, 0) as double) as availability,
    cast(wilson_low(s.healthy_requests, s.valid_requests) as double) as availability_low,
    cast(wilson_high(s.healthy_requests, s.valid_requests) as double) as availability_high,
    cast(cast(s.failed_requests as double) / nullif(s.requests, 0) as double) as error_rate,
    cast(wilson_low(s.failed_requests, s.requests) as double) as error_rate_low,
    cast(wilson_high(s.failed_requests, s.requests) as double) as error_rate_high,
    cast(cast(s.rate_limited as double) / nullif(s.requests, 0) as double) as rate_limited_rate,
    cast(cast(s.timeouts as double) / nullif(s.requests, 0) as double) as timeout_rate,
    cast(cast(s.refusals as double) / nullif(s.requests, 0) as double) as refusal_rate,
    cast(cast(s.retried_requests as double) / nullif(s.retry_measured, 0) as double) as retry_rate,
    cast(cast(s.fallbacks as double) / nullif(s.fallback_measured, 0) as double) as fallback_rate,
    cast(cast(s.window_truncated as double) / nullif(s.window_measured, 0) as double) as window_truncation_rate,
    cast(wilson_low(s.window_truncated, s.window_measured) as double) as window_truncation_rate_low,
    cast(wilson_high(s.window_truncated, s.window_measured) as double) as window_truncation_rate_high,
    cast(cast(s.output_capped as double) / nullif(s.finish_measured, 0) as double) as output_capped_rate,
    cast(cast(s.cache_hits as double) / nullif(s.cache_lookups, 0) as double) as cache_hit_rate,
    cast(wilson_low(s.cache_hits, s.cache_lookups) as double) as cache_hit_rate_low,
    cast(wilson_high(s.cache_hits, s.cache_lookups) as double) as cache_hit_rate_high,
    cast(cast(s.stale_hits as double) / nullif(s.cache_age_measured, 0) as double) as stale_hit_rate,
    cast(cast(s.routed_as_expected as double) / nullif(s.route_measured, 0) as double) as routing_success_rate,
    cast(wilson_low(s.routed_as_expected, s.route_measured) as double) as routing_success_rate_low,
    cast(wilson_high(s.routed_as_expected, s.route_measured) as double) as routing_success_rate_high,
    cast(cast(s.safety_passed as double) / nullif(s.safety_measured, 0) as double) as safety_pass_rate,
    cast(wilson_low(s.safety_passed, s.safety_measured) as double) as safety_pass_rate_low,
    cast(wilson_high(s.safety_passed, s.safety_measured) as double) as safety_pass_rate_high,
    cast(cast(s.safety_blocked as double) / nullif(s.safety_measured, 0) as double) as safety_block_rate,
    cast(cast(s.cold_starts as double) / nullif(s.model_load_n, 0) as double) as cold_start_rate,
    cast(cast(s.latency_over_5120ms as double) / nullif(s.latency_n, 0) as double) as latency_over_5120ms_rate,
    cast(cast(s.time_to_first_token_over_1000ms as double) / nullif(s.time_to_first_token_n, 0) as double)
        as time_to_first_token_over_1000ms_rate,
    cast(cast(s.input_tokens as double) / nullif(s.input_tokens_n, 0) as double) as input_tokens_per_request,
    cast(cast(s.output_tokens as double) / nullif(s.output_tokens_n, 0) as double) as output_tokens_per_request,
    cast(latency.p50 as double) as latency_p50_ms,
    cast(latency.p95 as double) as latency_p95_ms,
    cast(latency.p99 as double) as latency_p99_ms,
    cast(time_to_first_token.p50 as double) as time_to_first_token_p50_ms,
    cast(time_to_first_token.p95 as double) as time_to_first_token_p95_ms,
    cast(time_to_first_token.p99 as double) as time_to_first_token_p99_ms
from scopes as s
left join service.timing_hourly as latency
    on latency.measure = 'latency_ms'
    and s.day = latency.day
    and s.hour_start = latency.hour_start
    and s.scope = latency.scope
    and s.tenant is not distinct from latency.tenant
    and s.feature is not distinct from latency.feature
    and s.environment is not distinct from latency.environment
    and s.provider is not distinct from latency.provider
    and s.model is not distinct from latency.model
    and s.route is not distinct from latency.route
    and s.prompt_version is not distinct from latency.prompt_version
left join service.timing_hourly as time_to_first_token
    on time_to_first_token.measure = 'time_to_first_token_ms'
    and s.day = time_to_first_token.day
    and s.hour_start = time_to_first_token.hour_start
    and s.scope = time_to_first_token.scope
    and s.tenant is not distinct from time_to_first_token.tenant
    and s.feature is not distinct from time_to_first_token.feature
    and s.environment is not distinct from time_to_first_token.environment
    and s.provider is not distinct from time_to_first_token.provider
    and s.model is not distinct from time_to_first_token.model
    and s.route is not distinct from time_to_first_token.route
    and s.prompt_version is not distinct from time_to_first_token.prompt_version
