-- One row per five minutes, promise, feature and model: the events that a promise speaks of, and those that keep it.

with requests as (
    select
        five_minutes(r.ts) as bucket_start,
        r.request_id,
        r.feature,
        r.environment,
        -- The model asked for, as in service.sli_5min: a call that failed has no other.
        coalesce(r.request_model, r.response_model) as model,
        r.error_class,
        is_valid_request(r.error_class, r.http_status, r.error_code) as is_valid,
        is_healthy(r.error_class, r.is_complete, r.finish_reason) as is_healthy,
        -- An error is not a fast answer, and nobody waits for a batch.
        case
            when is_healthy(r.error_class, r.is_complete, r.finish_reason) and r.is_batch is not true then r.latency_ms
        end as latency_ms,
        case
            when is_healthy(r.error_class, r.is_complete, r.finish_reason) and r.is_batch is not true
                then r.time_to_first_token_ms
        end as time_to_first_token_ms,
        case when r.model_load_ms > 0 then r.model_load_ms end as model_load_ms,
        -- As in service.sli_5min: many logs speak of a cut only where there was one, but count the prompt by part.
        case
            when r.is_window_truncated is not null
                or coalesce(
                    r.window_lost_tokens,
                    r.prompt_system_tokens,
                    r.prompt_history_tokens,
                    r.prompt_retrieved_tokens,
                    r.prompt_user_tokens
                ) is not null
                then not coalesce(r.is_window_truncated, r.window_lost_tokens > 0, false)
        end as is_uncut,
        case
            when coalesce(r.response_cache_lookup, false) or coalesce(r.response_cache_hit, false)
                then coalesce(r.response_cache_hit, false)
        end as is_hit,
        r.route,
        r.expected_route,
        r.safety_output_verdict
    from logs.requests as r
    where r.day = cast($day as date) and r.is_shadow is not true and r.feature is not null
),

judged_requests as (
    select
        requests.bucket_start,
        promised.slo,
        promised.feature,
        requests.model,
        -- NULL where it was not measured: then the request is in no count.
        case promised.indicator
            when 'availability' then case when requests.is_valid then requests.is_healthy end
            when 'error_rate' then case when requests.is_valid then requests.error_class is null end
            when 'latency_ms' then requests.latency_ms <= promised.threshold
            when 'time_to_first_token_ms' then requests.time_to_first_token_ms <= promised.threshold
            when 'model_load_ms' then requests.model_load_ms <= promised.threshold
            when 'window_truncation' then requests.is_uncut
            when 'response_cache_hit' then requests.is_hit
            when 'routing' then requests.route = requests.expected_route
            when 'safety_pass' then requests.safety_output_verdict = 'pass'
            when 'cost_usd' then cast(costs.contracted_amount as double) <= promised.threshold
        end as is_good
    from service.slos as promised
    inner join requests
        on promised.feature = requests.feature
    left join cost.request_costs as costs
        on requests.request_id = costs.request_id
        and costs.day = cast($day as date)
        and promised.indicator = 'cost_usd'
    where
        promised.budgeting = 'occurrences'
        and (
            promised.environments is null
            or position(',' || requests.environment || ',' in ',' || promised.environments || ',') > 0
        )
),

judged_feedback as (
    select
        five_minutes(said.ts) as bucket_start,
        promised.slo,
        promised.feature,
        cast(null as string) as model,
        case promised.operator
            when 'lte' then said.feedback_value <= promised.threshold
            when 'gte' then said.feedback_value >= promised.threshold
        end as is_good
    from service.slos as promised
    inner join logs.feedback as said
        on promised.feature = said.feature and promised.feedback_name = said.feedback_name
    where
        said.day = cast($day as date)
        and promised.indicator = 'feedback'
        and (
            promised.environments is null
            or position(',' || said.environment || ',' in ',' || promised.environments || ',') > 0
        )
),

-- What is known of an hour's spend: a part without a price is not in it.
judged_hours as (
    select
        date_trunc('hour', costs.ts) + interval '55' minute as bucket_start,
        promised.slo,
        promised.feature,
        cast(null as string) as model,
        cast(sum(costs.priced_contracted_amount) as double) <= max(promised.threshold) as is_good
    from service.slos as promised
    inner join cost.request_costs as costs
        on promised.feature = costs.feature
    where
        costs.day = cast($day as date)
        and promised.indicator = 'spend_usd_per_hour'
        and (
            promised.environments is null
            or position(',' || costs.environment || ',' in ',' || promised.environments || ',') > 0
        )
    group by date_trunc('hour', costs.ts), promised.slo, promised.feature
),

judged as (
    select bucket_start, slo, feature, model, is_good from judged_requests
    union all
    select bucket_start, slo, feature, model, is_good from judged_feedback
    union all
    select bucket_start, slo, feature, model, is_good from judged_hours
)

select
    cast($day as date) as day,
    cast(bucket_start as timestamp with time zone) as bucket_start,
    cast(slo as string) as slo,
    cast(feature as string) as feature,
    cast(model as string) as model,
    cast(count(*) as bigint) as total,
    cast(count_if(is_good) as bigint) as good,
    cast(count_if(not is_good) as bigint) as bad
from judged
where is_good is not null
group by bucket_start, slo, feature, model
