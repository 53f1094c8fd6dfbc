-- One row per day (UTC) and feature of risk class high: how many of its outputs people reviewed, before release, how fast.
with outputs as (
    select r.day, r.feature, r.request_id, r.ts
    from logs.requests as r
    inner join service.features as f
        on r.feature = f.feature
    where f.risk_class = 'high' and r.error_class is null and coalesce(r.is_shadow, false) = false
),

-- A time that is not after the output is not the time of what was said: the log did not give one.
said as (
    select
        o.day,
        o.request_id,
        said.feedback_name,
        said.feedback_value,
        said.record_id,
        case when said.ts > o.ts then said.ts end as said_at
    from logs.feedback as said
    inner join outputs as o
        on said.request_id = o.request_id and said.request_day = o.day
    where
        said.state = 'matched'
        and said.feedback_kind = 'outcome'
        and said.feedback_unit is null
        and said.feedback_value in (0, 1)
        and (
            (said.feedback_name = 'human_review' and coalesce(said.feedback_by, 'user') not in ('system', 'model'))
            or (said.feedback_name = 'released' and said.feedback_value = 1)
        )
),

releases as (
    select day, request_id, min(said_at) as released_at
    from said
    where feedback_name = 'released'
    group by day, request_id
),

reviews as (
    select
        said.day,
        said.request_id,
        said.feedback_value,
        said.said_at,
        coalesce(said.said_at <= rel.released_at, false) as is_before_release,
        row_number() over (
            partition by said.day, said.request_id
            order by said.said_at desc, said.record_id nulls last
        ) as from_last,
        row_number() over (
            partition by said.day, said.request_id, coalesce(said.said_at <= rel.released_at, false)
            order by said.said_at desc, said.record_id nulls last
        ) as from_last_on_its_side
    from said
    left join releases as rel
        on said.day = rel.day and said.request_id = rel.request_id
    where said.feedback_name = 'human_review'
),

reviewed as (
    select
        day,
        request_id,
        min(said_at) as first_at,
        max(case when from_last = 1 then feedback_value end) as verdict,
        max(case when is_before_release then 1 else 0 end) as is_before_release,
        max(case when is_before_release and from_last_on_its_side = 1 then feedback_value end) as verdict_before_release
    from reviews
    group by day, request_id
),

figures as (
    select
        o.day,
        o.feature,
        count(*) as outputs,
        count(rev.request_id) as reviewed,
        count(case when rev.verdict = 1 then 1 end) as approved,
        count(case when rev.verdict = 0 then 1 end) as rejected,
        count(rel.released_at) as released,
        count(case when rev.is_before_release = 1 then 1 end) as reviewed_before_release,
        count(case when rev.verdict_before_release = 0 then 1 end) as released_though_rejected,
        count(rev.first_at) as turnaround_n,
        percentile_cont(0.5) within group (order by minutes_between(o.ts, rev.first_at) nulls last) as turnaround_p50_min,
        percentile_cont(0.9) within group (order by minutes_between(o.ts, rev.first_at) nulls last) as turnaround_p90_min
    from outputs as o
    left join reviewed as rev
        on o.day = rev.day and o.request_id = rev.request_id
    left join releases as rel
        on o.day = rel.day and o.request_id = rel.request_id
    group by o.day, o.feature
)

select
    cast(day as date) as day,
    cast(feature as string) as feature,
    cast(outputs as bigint) as outputs,
    cast(reviewed as bigint) as reviewed,
    cast(cast(reviewed as double) / nullif(outputs, 0) as double) as reviewed_share,
    cast(wilson_low(reviewed, outputs) as double) as reviewed_share_low,
    cast(wilson_high(reviewed, outputs) as double) as reviewed_share_high,
    cast(approved as bigint) as approved,
    cast(rejected as bigint) as rejected,
    cast(released as bigint) as released,
    cast(reviewed_before_release as bigint) as reviewed_before_release,
    cast(cast(reviewed_before_release as double) / nullif(released, 0) as double) as before_release_share,
    cast(wilson_low(reviewed_before_release, released) as double) as before_release_share_low,
    cast(wilson_high(reviewed_before_release, released) as double) as before_release_share_high,
    cast(released_though_rejected as bigint) as released_though_rejected,
    cast(turnaround_n as bigint) as turnaround_n,
    cast(turnaround_p50_min as double) as turnaround_p50_min,
    cast(turnaround_p90_min as double) as turnaround_p90_min
from figures
