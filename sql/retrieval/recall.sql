-- One row per measure of whether searches find what they should: releases as they were evaluated, and the logs by citations.
with logged as (
    select
        day,
        index_version,
        case when grouping(tenant) = 0 then 'tenant' when grouping(topic) = 0 then 'topic' else 'all' end as scope,
        coalesce(tenant, topic, '') as scope_value,
        sum(searches_said) as searches_said,
        sum(searches_cited) as searches_cited,
        sum(documents_said) as documents_said,
        sum(cited) as cited,
        sum(searches_ranked) as searches_ranked,
        cast(sum(reciprocal_rank_sum) as double) as reciprocal_ranks,
        cast(sum(reciprocal_rank_square_sum) as double) as reciprocal_rank_squares
    from retrieval.log_metrics
    group by grouping sets ((day, index_version), (day, index_version, tenant), (day, index_version, topic))
),

ranked as (
    select
        *,
        reciprocal_ranks / nullif(cast(searches_ranked as double), 0) as mean_rank,
        case
            when searches_ranked > 1
                then 1.959963984540054e0 * sqrt(
                    greatest(
                        0e0,
                        reciprocal_rank_squares
                        - reciprocal_ranks * reciprocal_ranks / nullif(cast(searches_ranked as double), 0)
                    ) / nullif(cast(searches_ranked as double) * (searches_ranked - 1), 0)
                )
            else 1e0
        end as half_width
    from logged
    where scope = 'all' or scope_value <> ''
),

measures as (
    select
        day,
        index_version,
        scope,
        scope_value,
        'hit_rate' as metric,
        cast(searches_cited as double) / nullif(searches_said, 0) as value,
        wilson_low(cast(searches_cited as bigint), cast(searches_said as bigint)) as low,
        wilson_high(cast(searches_cited as bigint), cast(searches_said as bigint)) as high,
        searches_said as n
    from ranked
    union all
    select
        day,
        index_version,
        scope,
        scope_value,
        'precision' as metric,
        cast(cited as double) / nullif(documents_said, 0) as value,
        wilson_low(cast(cited as bigint), cast(documents_said as bigint)) as low,
        wilson_high(cast(cited as bigint), cast(documents_said as bigint)) as high,
        documents_said as n
    from ranked
    union all
    select
        day,
        index_version,
        scope,
        scope_value,
        'mrr' as metric,
        mean_rank as value,
        greatest(0e0, mean_rank - half_width) as low,
        least(1e0, mean_rank + half_width) as high,
        searches_ranked as n
    from ranked
)

select
    cast(day as date) as day,
    cast('index_release' as string) as measured_on,
    cast(index_name as string) as index_name,
    cast(release as bigint) as release,
    cast(null as string) as index_version,
    cast(metric as string) as metric,
    cast(k as integer) as k,
    cast(scope as string) as scope,
    cast(scope_value as string) as scope_value,
    cast(basis as string) as basis,
    cast(value as double) as value,
    cast(low as double) as low,
    cast(high as double) as high,
    cast(n as bigint) as n
from retrieval.evaluations
union all
select
    cast(day as date) as day,
    cast('logs' as string) as measured_on,
    cast(null as string) as index_name,
    cast(null as bigint) as release,
    cast(index_version as string) as index_version,
    cast(metric as string) as metric,
    cast(null as integer) as k,
    cast(scope as string) as scope,
    cast(scope_value as string) as scope_value,
    cast('cited' as string) as basis,
    cast(value as double) as value,
    cast(low as double) as low,
    cast(high as double) as high,
    cast(n as bigint) as n
from measures
where n > 0
