-- The newest requests of some days that fit a filter; a parameter that is NULL is not asked for.
with dear as (
    -- Nothing is read here where no cost is asked for: the conditions on parameters come first.
    select day, request_id
    from cost.request_costs
    where
        ($least_usd is not null or $outcome = 'unpriced')
        and day between $first and $last
        and ($day is null or day = cast($day as date))
        and ($least_usd is null or contracted_amount >= $least_usd)
        and ($outcome is null or $outcome <> 'unpriced' or unpriced_charges > 0)
),

-- Their costs are looked up afterwards, for those that are shown alone.
fitting as materialized (
    select
        asked.day,
        asked.request_id,
        asked.ts as moment,
        asked.feature,
        asked.tenant,
        asked.model,
        asked.prompt_version,
        asked.error_class as error,
        asked.finish_reason as finish,
        asked.input_tokens,
        asked.output_tokens,
        asked.latency_ms
    from logs.requests as asked
    where
        asked.day between $first and $last
        and ($day is null or asked.day = cast($day as date))
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
        and ($least_ms is null or asked.latency_ms >= $least_ms)
        and (
            $outcome is null
            or ($outcome = 'failed' and asked.error_class is not null)
            or ($outcome = 'slow' and asked.latency_ms > 5120)
            or ($outcome = 'blocked' and (asked.safety_input_verdict = 'block' or asked.safety_output_verdict = 'block'))
            or ($outcome = 'cut off' and asked.finish_reason = 'length')
            or $outcome = 'unpriced'
        )
        and (
            ($least_usd is null and ($outcome is null or $outcome <> 'unpriced'))
            or (asked.day, asked.request_id) in (select (dear.day, dear.request_id) from dear)
        )
    order by asked.ts desc, asked.request_id
    limit $most
)

select fitting.* exclude (day), costs.contracted_amount as cost_usd
from fitting
left join cost.request_costs as costs using (day, request_id)
order by fitting.moment desc, fitting.request_id;
