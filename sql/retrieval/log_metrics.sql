-- One row per feature, tenant, environment, topic, index version and embedder that searched on the day: counts that add up.
with seen as (
    select
        request_id,
        feature,
        tenant,
        environment,
        index_version,
        embedder_version,
        retrieval_ms,
        prompt_retrieved_tokens
    from logs.requests
    where day = cast($day as date) and coalesce(is_shadow, false) = false
),

topics as (
    select request_id, max(reference || '/' || cast(cluster as string)) as topic
    from drift.text_topics
    where day = cast($day as date) and part = 'prompt' and cluster is not null
    group by request_id
),

lengths as (
    select file_id, record_number, max(length(text)) as characters
    from logs.texts
    where part = 'document'
    group by file_id, record_number
),

-- A search begins before its request: on the day before, perhaps.
found as (
    select
        r.request_id,
        count(*) as documents,
        max(r.index_version) as index_version,
        max(r.embedder_version) as embedder_version,
        max(r.latency_ms) as latency_ms,
        max(r.retrieval_score) as best_score,
        count(r.is_cited) as documents_said,
        count(case when r.is_cited then 1 end) as cited,
        min(case when r.is_cited then r.document_rank end) as first_cited,
        count(case when r.is_cited and r.document_rank is null then 1 end) as cited_without_rank,
        count(case when r.is_cited is not null and l.characters is not null then 1 end) as documents_measured,
        sum(case when r.is_cited is not null then l.characters end) as characters,
        sum(case when r.is_cited = false then l.characters end) as uncited_characters,
        count(k.access) as documents_looked_up,
        count(k.is_stale) as known,
        count(case when k.is_stale then 1 end) as stale,
        count(case when k.state = 'deleted' then 1 end) as deleted,
        count(case when k.state = 'quarantined' then 1 end) as quarantined,
        count(case when k.is_expired then 1 end) as expired,
        count(case when k.is_outdated then 1 end) as outdated,
        count(case when k.access = 'allowed' then 1 end) as allowed,
        count(case when k.access = 'forbidden' then 1 end) as forbidden,
        count(case when k.access in ('unknown_document', 'unknown_label', 'unknown_caller') then 1 end) as not_judged
    from logs.retrievals as r
    inner join seen
        on r.request_id = seen.request_id
    left join retrieval.retrieved as k
        on r.file_id = k.file_id and r.record_number = k.record_number
    left join lengths as l
        on r.file_id = l.file_id and r.record_number = l.record_number
    group by r.request_id
),

searches as (
    select
        s.feature,
        s.tenant,
        s.environment,
        t.topic,
        coalesce(f.index_version, s.index_version) as index_version,
        coalesce(f.embedder_version, s.embedder_version) as embedder_version,
        coalesce(s.retrieval_ms, f.latency_ms) as latency_ms,
        s.retrieval_ms is not null as tells_empty,
        f.request_id is null as is_empty,
        -- What the prompt's tokens of documents were for, by the share of their characters that was cited.
        case
            when s.prompt_retrieved_tokens is null or f.documents_said < f.documents then null
            when f.cited = 0 then s.prompt_retrieved_tokens
            when f.cited = f.documents then 0
            when f.documents_measured = f.documents
                then floor(
                    cast(s.prompt_retrieved_tokens as double) * f.uncited_characters / nullif(cast(f.characters as double), 0)
                    + 0.5e0
                )
        end as uncited_tokens,
        s.prompt_retrieved_tokens,
        case
            when f.documents_said > 0 and f.cited_without_rank = 0
                then cast(coalesce(1e0 / nullif(f.first_cited, 0), 0) as decimal(18, 9))
        end as reciprocal_rank,
        case
            when f.best_score is not null then cast(least(greatest(f.best_score, -1e9), 1e9) as decimal(28, 9))
        end as bounded_score,
        f.documents,
        f.documents_said,
        f.cited,
        f.documents_measured,
        f.characters,
        f.uncited_characters,
        f.documents_looked_up,
        f.known,
        f.stale,
        f.deleted,
        f.quarantined,
        f.expired,
        f.outdated,
        f.allowed,
        f.forbidden,
        f.not_judged
    from seen as s
    left join found as f
        on s.request_id = f.request_id
    left join topics as t
        on s.request_id = t.request_id
    where f.request_id is not null or s.retrieval_ms is not null
)

select
    cast($day as date) as day,
    cast(feature as string) as feature,
    cast(tenant as string) as tenant,
    cast(environment as string) as environment,
    cast(topic as string) as topic,
    cast(index_version as string) as index_version,
    cast(embedder_version as string) as embedder_version,
    cast(count(*) as bigint) as searches,
    cast(count(case when tells_empty then 1 end) as bigint) as searches_that_tell_empty,
    cast(count(case when tells_empty and is_empty then 1 end) as bigint) as empty_searches,
    cast(coalesce(sum(documents), 0) as bigint) as documents,
    cast(coalesce(sum(documents_said), 0) as bigint) as documents_said,
    cast(coalesce(sum(cited), 0) as bigint) as cited,
    cast(count(case when documents_said > 0 then 1 end) as bigint) as searches_said,
    cast(count(case when cited > 0 then 1 end) as bigint) as searches_cited,
    cast(count(reciprocal_rank) as bigint) as searches_ranked,
    cast(sum(reciprocal_rank) as decimal(38, 9)) as reciprocal_rank_sum,
    cast(sum(cast(cast(reciprocal_rank as double) * reciprocal_rank as decimal(18, 9))) as decimal(38, 9)) as reciprocal_rank_square_sum,
    cast(coalesce(sum(documents_measured), 0) as bigint) as documents_measured,
    cast(sum(characters) as bigint) as characters,
    cast(sum(case when characters is not null then coalesce(uncited_characters, 0) end) as bigint) as uncited_characters,
    cast(count(uncited_tokens) as bigint) as searches_with_tokens,
    cast(sum(case when uncited_tokens is not null then prompt_retrieved_tokens end) as bigint) as retrieved_tokens,
    cast(sum(uncited_tokens) as bigint) as uncited_tokens,
    cast(count(latency_ms) as bigint) as searches_timed,
    cast(sum(exact(latency_ms)) as decimal(38, 3)) as latency_ms_sum,
    cast(count(bounded_score) as bigint) as searches_scored,
    cast(sum(bounded_score) as decimal(38, 9)) as best_score_sum,
    cast(coalesce(sum(documents_looked_up), 0) as bigint) as documents_looked_up,
    cast(coalesce(sum(known), 0) as bigint) as known,
    cast(coalesce(sum(stale), 0) as bigint) as stale,
    cast(coalesce(sum(deleted), 0) as bigint) as deleted,
    cast(coalesce(sum(quarantined), 0) as bigint) as quarantined,
    cast(coalesce(sum(expired), 0) as bigint) as expired,
    cast(coalesce(sum(outdated), 0) as bigint) as outdated,
    cast(coalesce(sum(allowed), 0) as bigint) as allowed,
    cast(coalesce(sum(forbidden), 0) as bigint) as forbidden,
    cast(coalesce(sum(not_judged), 0) as bigint) as not_judged
from searches
group by feature, tenant, environment, topic, index_version, embedder_version
