-- One row per span (a day of requests, or all of them), feature, model, prompt version and thing that was said about requests.
with seen as (
    select *
    from logs.requests
    where coalesce(is_shadow, false) = false
),

asked as (
    select
        case when grouping(day) = 0 then 'day' else 'all' end as span,
        day,
        feature,
        model,
        prompt_version,
        min(day) as first_day,
        max(day) as last_day,
        count(*) as requests
    from seen
    group by grouping sets ((day, feature, model, prompt_version), (feature, model, prompt_version))
),

opinions as (
    select
        seen.day,
        seen.feature,
        seen.model,
        seen.prompt_version,
        seen.request_id,
        said.feedback_kind,
        said.feedback_name,
        said.feedback_unit,
        said.feedback_by,
        said.feedback_value
    from logs.feedback as said
    inner join seen
        on said.request_id = seen.request_id and said.request_day = seen.day
    where said.state = 'matched'
),

told as (
    select
        case when grouping(day) = 0 then 'day' else 'all' end as span,
        day,
        feature,
        model,
        prompt_version,
        feedback_kind,
        feedback_name,
        feedback_unit,
        feedback_by,
        count(distinct request_id) as requests_with_it,
        count(feedback_value) as n,
        sum(feedback_value) as value_sum,
        count(case when feedback_value = 1 then 1 end) as ones,
        var_samp(feedback_value) as variance,
        -- Happened or did not: a share. Anything else is a mean.
        feedback_unit is null and count(case when feedback_value not in (0, 1) then 1 end) = 0 as is_share
    from opinions
    group by
        grouping sets (
            (day, feature, model, prompt_version, feedback_kind, feedback_name, feedback_unit, feedback_by),
            (feature, model, prompt_version, feedback_kind, feedback_name, feedback_unit, feedback_by)
        )
),

figures as (
    select
        told.*,
        asked.first_day,
        asked.last_day,
        asked.requests,
        told.value_sum / nullif(told.n, 0) as value_mean,
        -- Student's t at 97.5 % for n - 1 degrees of freedom, expanded about the normal's 1.96 (Abramowitz and Stegun
        -- 26.7.5): within 0.3 % from n = 5 on, where it is used. Of fewer values, a mean has no interval.
        case
            when told.n >= 5
                then (
                    1.959963984540054e0
                    + 2.372271230e0 / nullif(told.n - 1, 0)
                    + 2.822502e0 / nullif(power(told.n - 1, 2), 0)
                    + 2.555850e0 / nullif(power(told.n - 1, 3), 0)
                ) * sqrt(told.variance / nullif(told.n, 0))
        end as half_width
    from told
    inner join asked
        on told.span = asked.span
        and told.day is not distinct from asked.day
        and told.feature is not distinct from asked.feature
        and told.model is not distinct from asked.model
        and told.prompt_version is not distinct from asked.prompt_version
)

select
    cast(span as string) as span,
    cast(first_day as date) as first_day,
    cast(last_day as date) as last_day,
    cast(feature as string) as feature,
    cast(model as string) as model,
    cast(prompt_version as string) as prompt_version,
    cast(feedback_kind as string) as feedback_kind,
    cast(feedback_name as string) as feedback_name,
    cast(feedback_unit as string) as feedback_unit,
    cast(feedback_by as string) as feedback_by,
    cast(requests as bigint) as requests,
    cast(requests_with_it as bigint) as requests_with_it,
    cast(cast(requests_with_it as double) / nullif(requests, 0) as double) as coverage,
    cast(wilson_low(requests_with_it, requests) as double) as coverage_low,
    cast(wilson_high(requests_with_it, requests) as double) as coverage_high,
    cast(case when n = 0 then null when is_share then 'share' else 'mean' end as string) as measure,
    cast(n as bigint) as n,
    cast(value_mean as double) as value_mean,
    cast(case when is_share then wilson_low(ones, n) else value_mean - half_width end as double) as low,
    cast(case when is_share then wilson_high(ones, n) else value_mean + half_width end as double) as high
from figures
