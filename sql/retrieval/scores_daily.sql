-- One row per day (UTC) and feature: how the best scores of its searches are spread, and how far from the four weeks before.
with bins as (
    select day, feature, coalesce(bin, -200000) as bin, sum(searches) as searches
    from retrieval.score_bins
    group by day, feature, coalesce(bin, -200000)
),

-- A day compares in coarser bins than its quantiles are read from: 1 % wide ones are nearly all empty.
coarse as (
    select day, feature, cast(floor(cast(bin as double) / 5) as integer) as bin, sum(searches) as searches
    from bins
    group by day, feature, cast(floor(cast(bin as double) / 5) as integer)
),

days as (
    select day, feature, sum(searches) as searches
    from bins
    group by day, feature
),

earlier as (
    select d.day, d.feature, b.bin, sum(b.searches) as searches
    from days as d
    inner join coarse as b
        on d.feature is not distinct from b.feature
        and b.day < d.day
        and b.day >= d.day - interval '28' day
    group by d.day, d.feature, b.bin
),

totals as (
    select day, feature, sum(searches) as searches
    from earlier
    group by day, feature
),

-- In every bin that either has: the share of the day, that of the days before, and their mean.
shares as (
    select
        day,
        feature,
        bin,
        sum(today) as p,
        sum(before) as q
    from (
        select
            c.day,
            c.feature,
            c.bin,
            cast(c.searches as double) / nullif(d.searches, 0) as today,
            0e0 as before
        from coarse as c
        inner join days as d
            on c.day = d.day and c.feature is not distinct from d.feature
        union all
        select
            e.day,
            e.feature,
            e.bin,
            0e0 as today,
            cast(e.searches as double) / nullif(t.searches, 0) as before
        from earlier as e
        inner join totals as t
            on e.day = t.day and e.feature is not distinct from t.feature
    ) as both_sides
    group by day, feature, bin
),

distances as (
    select
        day,
        feature,
        count(*) as bins,
        sum(case when p > 0 then 0.5e0 * p * ln(2 * p / nullif(p + q, 0)) else 0 end)
        + sum(case when q > 0 then 0.5e0 * q * ln(2 * q / nullif(p + q, 0)) else 0 end) as divergence
    from shares
    group by day, feature
),

ranked as (
    select
        day,
        feature,
        bin,
        sum(searches) over (
            partition by day, feature order by bin nulls last rows between unbounded preceding and current row
        ) as n_up_to,
        sum(searches) over (partition by day, feature) as n_all
    from bins
),

quantiles as (
    select
        day,
        feature,
        min(case when n_up_to >= 0.1 * n_all then bin end) as p10,
        min(case when n_up_to >= 0.5 * n_all then bin end) as p50,
        min(case when n_up_to >= 0.9 * n_all then bin end) as p90
    from ranked
    group by day, feature
)

select
    cast(d.day as date) as day,
    cast(d.feature as string) as feature,
    cast(d.searches as bigint) as n,
    cast(case when q.p10 > -200000 then log_bin_value(q.p10) end as double) as p10,
    cast(case when q.p50 > -200000 then log_bin_value(q.p50) end as double) as p50,
    cast(case when q.p90 > -200000 then log_bin_value(q.p90) end as double) as p90,
    cast(coalesce(t.searches, 0) as bigint) as reference_n,
    cast(case when t.searches > 0 then sqrt(greatest(x.divergence, 0e0)) end as double) as distance,
    cast(
        case
            when t.searches > 0
                then sqrt(
                    (x.bins - 1) * 0.125e0
                    * (1e0 / nullif(cast(d.searches as double), 0) + 1e0 / nullif(cast(t.searches as double), 0))
                )
        end as double
    ) as expected_by_chance
from days as d
inner join quantiles as q
    on d.day = q.day and d.feature is not distinct from q.feature
left join totals as t
    on d.day = t.day and d.feature is not distinct from t.feature
left join distances as x
    on d.day = x.day and d.feature is not distinct from x.feature
