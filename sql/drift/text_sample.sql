-- One row per text of a sampled request: what the user said last, or the answer.
with counted as (
    select r.file_id, r.record_number, r.request_id, r.user_token, r.feature, r.model, r.tenant
    from logs.requests as r
    left join service.features as f
        on r.feature = f.feature
    where
        r.day = cast($day as date) and coalesce(r.is_shadow, false) = false and is_counted_in(r.environment, f.environments)
),

texts as (
    select
        c.request_id,
        c.user_token,
        c.feature,
        c.model,
        c.tenant,
        t.part,
        t.text,
        t.inclusion_probability,
        -- By a digest: the same requests whatever the order, and a late row changes as little as can be.
        row_number() over (partition by t.part order by md5(c.request_id) nulls last, c.request_id nulls last) as place,
        count(*) over (partition by t.part) as texts_of_day
    from logs.texts as t
    inner join counted as c
        on t.file_id = c.file_id and t.record_number = c.record_number
    where
        t.day = cast($day as date)
        and t.record_kind = 'request'
        and t.part in ('prompt', 'output')
        and trim(t.text) <> ''
),

named as (
    select distinct segment_kind, segment
    from drift.profiles
    where day = cast($day as date)
)

select
    cast($day as date) as day,
    cast(t.request_id as string) as request_id,
    cast(t.user_token as string) as user_token,
    cast(t.part as string) as part,
    cast(substr(t.text, 1, 1000) as string) as text,
    cast(coalesce(f.segment, case when t.feature is not null then '(others)' end) as string) as feature,
    cast(coalesce(m.segment, case when t.model is not null then '(others)' end) as string) as model,
    cast(coalesce(n.segment, case when t.tenant is not null then '(others)' end) as string) as tenant,
    cast(t.inclusion_probability * least(1000e0 / nullif(cast(t.texts_of_day as double), 0), 1e0) as double) as inclusion_probability
from texts as t
left join named as f
    on f.segment_kind = 'feature' and t.feature = f.segment
left join named as m
    on m.segment_kind = 'model' and t.model = m.segment
left join named as n
    on n.segment_kind = 'tenant' and t.tenant = n.segment
where t.place <= 1000
