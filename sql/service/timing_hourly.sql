-- One row per hour (UTC), scope (all traffic, or one tenant, feature, model ...) and measure: its quantiles.
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
        measure,
        bin,
        sum(n) as n,
        sum(value_sum) as value_sum
    from (
        select *, date_trunc('hour', bucket_start) as hour_start
        from service.timing_5min
    ) as buckets
    group by grouping sets (
        (day, hour_start, measure, bin),
        (day, hour_start, tenant, measure, bin),
        (day, hour_start, feature, measure, bin),
        (day, hour_start, environment, measure, bin),
        (day, hour_start, provider, measure, bin),
        (day, hour_start, model, measure, bin),
        (day, hour_start, route, measure, bin),
        (day, hour_start, prompt_version, measure, bin),
        (day, hour_start, feature, model, measure, bin)
    )
),

ranked as (
    select
        *,
        sum(n) over (
            partition by
                day, hour_start, scope, tenant, feature, environment, provider, model, route, prompt_version, measure
            order by bin nulls last
            rows between unbounded preceding and current row
        ) as n_up_to,
        sum(n) over (
            partition by
                day, hour_start, scope, tenant, feature, environment, provider, model, route, prompt_version, measure
        ) as n_all
    from scopes
)

select
    cast(day as date) as day,
    cast(hour_start as timestamp) as hour_start,
    cast(scope as string) as scope,
    cast(tenant as string) as tenant,
    cast(feature as string) as feature,
    cast(environment as string) as environment,
    cast(provider as string) as provider,
    cast(model as string) as model,
    cast(route as string) as route,
    cast(prompt_version as string) as prompt_version,
    cast(measure as string) as measure,
    cast(sum(n) as bigint) as n,
    cast(cast(sum(value_sum) as double) / nullif(sum(n), 0) as double) as value_mean,
    -- The smallest value that at least so many of the values do not exceed.
    cast(log_bin_value(min(case when n_up_to >= 0.5 * n_all then bin end)) as double) as p50,
    cast(log_bin_value(min(case when n_up_to >= 0.9 * n_all then bin end)) as double) as p90,
    cast(log_bin_value(min(case when n_up_to >= 0.95 * n_all then bin end)) as double) as p95,
    cast(log_bin_value(min(case when n_up_to >= 0.99 * n_all then bin end)) as double) as p99
from ranked
group by day, hour_start, scope, tenant, feature, environment, provider, model, route, prompt_version, measure
