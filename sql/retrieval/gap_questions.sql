-- One row per sampled question that was searched for: its words, and every sign that it was not answered well.
with searched as (
    select
        s.file_id,
        s.record_number,
        s.request_id,
        s.user_token,
        s.feature,
        s.retrieval_ms,
        s.index_version,
        max(r.retrieval_score) as best_score,
        count(r.document_id) as documents,
        max(case when r.document_rank = 1 then r.document_id end) as first_document_id
    from logs.requests as s
    left join service.features as f
        on s.feature = f.feature
    left join logs.retrievals as r
        on s.request_id = r.request_id
    where
        s.day = cast($day as date)
        and coalesce(s.is_shadow, false) = false
        and is_counted_in(s.environment, f.environments)
        -- Where nobody answered, or a filter stopped it, nobody knows what an answer would have been.
        and is_healthy(s.error_class, s.is_complete, s.finish_reason)
        and coalesce(s.finish_reason <> 'content_filter', true)
    group by s.file_id, s.record_number, s.request_id, s.user_token, s.feature, s.retrieval_ms, s.index_version
    having count(r.document_id) > 0 or s.retrieval_ms is not null
),

-- A search is weak where it is among the worst twentieth of its index version's; of a handful nobody can say.
lowest as (
    select index_version, percentile_disc(0.05) within group (order by best_score nulls last) as weak_score
    from searched
    where best_score is not null
    group by index_version
    having count(*) >= 100
),

complained as (
    select distinct request_id
    from logs.feedback
    where
        request_day = cast($day as date)
        and state = 'matched'
        and (
            feedback_kind in ('escalation', 'correction')
            or (feedback_kind = 'rating' and feedback_unit is null and feedback_value = 0)
        )
),

attacks as (
    select distinct file_id, record_number
    from quality.injections
    where day = cast($day as date) and part = 'prompt'
),

signs as (
    select
        s.request_id,
        s.user_token,
        s.feature,
        s.first_document_id,
        t.text,
        t.inclusion_probability,
        s.documents = 0 as is_empty,
        coalesce(s.best_score <= l.weak_score, false) as is_weak,
        coalesce(q.refuses, false) as is_declined,
        -- Coefficients that were chosen by hand take too many right answers for wrong ones.
        coalesce(q.p_hallucinated >= 0.5 and q.detector <> 'heuristic-1', false) as is_made_up,
        c.request_id is not null as is_complained_of
    from searched as s
    inner join logs.texts as t
        on s.file_id = t.file_id and s.record_number = t.record_number
    left join lowest as l
        on s.index_version is not distinct from l.index_version
    left join quality.scores as q
        on s.request_id = q.request_id
    left join complained as c
        on s.request_id = c.request_id
    left join attacks as a
        on s.file_id = a.file_id and s.record_number = a.record_number
    where
        t.day = cast($day as date)
        and t.record_kind = 'request'
        and t.part = 'prompt'
        and trim(t.text) <> ''
        and a.file_id is null
),

judged as (
    select *, is_empty or is_weak or is_declined or is_made_up or is_complained_of as is_unanswered
    from signs
),

-- By a digest: the same requests whatever the order, and a late row changes as little as can be.
drawn as (
    select
        *,
        row_number() over (
            partition by feature, is_unanswered order by md5(request_id) nulls last, request_id nulls last
        ) as place,
        count(*) over (partition by feature, is_unanswered) as questions
    from judged
)

select
    cast($day as date) as day,
    cast(request_id as string) as request_id,
    cast(user_token as string) as user_token,
    cast(feature as string) as feature,
    cast(substr(text, 1, 1000) as string) as text,
    cast(first_document_id as string) as first_document_id,
    cast(is_unanswered as boolean) as is_unanswered,
    cast(is_empty as boolean) as is_empty,
    cast(is_weak as boolean) as is_weak,
    cast(is_declined as boolean) as is_declined,
    cast(is_made_up as boolean) as is_made_up,
    cast(is_complained_of as boolean) as is_complained_of,
    cast(inclusion_probability * least(300e0 / nullif(cast(questions as double), 0), 1e0) as double) as inclusion_probability
from drawn
where place <= 300
