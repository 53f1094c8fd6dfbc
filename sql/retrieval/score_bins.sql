-- One row per feature, index version and bin: searches whose best document scored in it.
with best as (
    select
        s.feature,
        coalesce(max(r.index_version), max(s.index_version)) as index_version,
        max(r.retrieval_score) as score
    from logs.retrievals as r
    inner join logs.requests as s
        on r.request_id = s.request_id
    where s.day = cast($day as date) and coalesce(s.is_shadow, false) = false
    group by s.request_id, s.feature
),

binned as (
    select feature, index_version, log_bin(score) as bin
    from best
    where score is not null
)

select
    cast($day as date) as day,
    cast(feature as string) as feature,
    cast(index_version as string) as index_version,
    cast(bin as integer) as bin,
    cast(count(*) as bigint) as searches
from binned
group by feature, index_version, bin
