-- One row per feature and kind of text: how many texts were read, and how many of them are attempts.
with seen as (
    select request_id, feature, file_id, record_number
    from logs.requests
    where day = cast($day as date) and coalesce(is_shadow, false) = false
),

kept as (
    select file_id, record_number, part
    from logs.texts
    where day = cast($day as date) and part in ('prompt', 'document', 'result')
),

shadows as (
    select request_id
    from logs.requests
    where day = cast($day as date) and is_shadow
),

belongs as (
    select feature, file_id, record_number
    from seen
    union all
    select feature, file_id, record_number
    from logs.retrievals
    where
        day = cast($day as date)
        and (request_id is null or request_id not in (select request_id from shadows where request_id is not null))
    union all
    select feature, file_id, record_number
    from logs.tool_calls
    where
        day = cast($day as date)
        and (request_id is null or request_id not in (select request_id from shadows where request_id is not null))
),

counted as (
    select
        b.feature,
        k.part,
        count(*) as texts,
        count(i.file_id) as attempts,
        count(case when i.outcome = 'blocked' then 1 end) as blocked,
        count(case when i.outcome = 'refused' then 1 end) as refused,
        count(case when i.outcome = 'answered' then 1 end) as answered,
        count(distinct case when i.file_id is not null then coalesce(i.user_token, '') end) as users,
        count(distinct i.document_id) as documents
    from kept as k
    inner join belongs as b
        on b.file_id = k.file_id and b.record_number = k.record_number
    left join quality.injections as i
        on i.day = cast($day as date) and i.file_id = k.file_id and i.record_number = k.record_number
    group by b.feature, k.part
)

select
    cast($day as date) as day,
    cast(feature as string) as feature,
    cast(part as string) as part,
    cast(texts as bigint) as texts,
    cast(attempts as bigint) as attempts,
    cast(cast(attempts as double) / nullif(texts, 0) as double) as attempt_rate,
    cast(wilson_low(attempts, texts) as double) as attempt_rate_low,
    cast(wilson_high(attempts, texts) as double) as attempt_rate_high,
    cast(blocked as bigint) as blocked,
    cast(refused as bigint) as refused,
    cast(answered as bigint) as answered,
    cast(users as bigint) as users,
    cast(documents as bigint) as documents
from counted
