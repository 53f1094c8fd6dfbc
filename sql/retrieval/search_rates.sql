-- One row per day (UTC), scope (all searches, or one feature, tenant, topic or index version) and rate: with n and its interval.
with scopes as (
    select
        day,
        case
            when grouping(feature) = 0 then 'feature'
            when grouping(tenant) = 0 then 'tenant'
            when grouping(topic) = 0 then 'topic'
            when grouping(index_version) = 0 then 'index_version'
            else 'all'
        end as scope,
        coalesce(feature, tenant, topic, index_version) as scope_value,
        sum(searches_that_tell_empty) as searches_that_tell_empty,
        sum(empty_searches) as empty_searches,
        sum(known) as known,
        sum(stale) as stale,
        sum(deleted) as deleted,
        sum(quarantined) as quarantined,
        sum(expired) as expired,
        sum(outdated) as outdated,
        sum(documents_looked_up) as documents_looked_up,
        sum(not_judged) as not_judged,
        sum(allowed + forbidden) as judged,
        sum(forbidden) as forbidden
    from retrieval.log_metrics
    group by grouping sets ((day), (day, feature), (day, tenant), (day, topic), (day, index_version))
),

counted as (
    select
        s.day,
        s.scope,
        s.scope_value,
        metrics.metric,
        case metrics.metric
            when 'empty_retrieval_rate' then s.empty_searches
            when 'stale_rate' then s.stale
            when 'deleted_rate' then s.deleted
            when 'quarantined_rate' then s.quarantined
            when 'expired_rate' then s.expired
            when 'outdated_rate' then s.outdated
            when 'forbidden_rate' then s.forbidden
            when 'not_judged_rate' then s.not_judged
        end as hits,
        case metrics.metric
            when 'empty_retrieval_rate' then s.searches_that_tell_empty
            when 'forbidden_rate' then s.judged
            when 'not_judged_rate' then s.documents_looked_up
            else s.known
        end as trials
    from scopes as s
    cross join (
        values
        ('empty_retrieval_rate'), ('stale_rate'), ('deleted_rate'), ('quarantined_rate'), ('expired_rate'),
        ('outdated_rate'), ('forbidden_rate'), ('not_judged_rate')
    ) as metrics (metric)
    -- What has no topic is not in the sample, and no topic of its own.
    where s.scope <> 'topic' or s.scope_value is not null
)

select
    cast(day as date) as day,
    cast(scope as string) as scope,
    cast(scope_value as string) as scope_value,
    cast(metric as string) as metric,
    cast(cast(hits as double) / nullif(trials, 0) as double) as value,
    cast(wilson_low(cast(hits as bigint), cast(trials as bigint)) as double) as low,
    cast(wilson_high(cast(hits as bigint), cast(trials as bigint)) as double) as high,
    cast(trials as bigint) as n
from counted
where trials > 0
