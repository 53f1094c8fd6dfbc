-- The newest requests that fit a filter; a parameter that is NULL is not asked for.
select
    asked.request_id,
    asked.ts,
    asked.feature,
    asked.tenant,
    asked.model,
    asked.prompt_version,
    asked.error_class as error,
    asked.finish_reason as finish,
    asked.input_tokens,
    asked.output_tokens,
    asked.latency_ms,
    costs.contracted_amount as cost_usd
from logs.requests as asked
left join cost.request_costs as costs using (day, request_id)
where
    ($day is null or asked.day = cast($day as date))
    and (
        $any_id is null
        or asked.request_id = $any_id
        or asked.trace_id = $any_id
        or asked.conversation_token = $any_id
        or asked.user_token = $any_id
    )
    and ($feature is null or asked.feature = $feature)
    and ($tenant is null or asked.tenant = $tenant)
    and ($model is null or asked.model = $model)
    and ($prompt_version is null or asked.prompt_version = $prompt_version)
    and (
        $outcome is null
        or ($outcome = 'failed' and asked.error_class is not null)
        or ($outcome = 'slow' and asked.latency_ms > 5120)
        or ($outcome = 'blocked' and (asked.safety_input_verdict = 'block' or asked.safety_output_verdict = 'block'))
        or ($outcome = 'cut off' and asked.finish_reason = 'length')
        or ($outcome = 'unpriced' and costs.unpriced_charges > 0)
    )
    and ($least_usd is null or costs.contracted_amount >= $least_usd)
    and ($least_ms is null or asked.latency_ms >= $least_ms)
order by asked.ts desc, asked.request_id
