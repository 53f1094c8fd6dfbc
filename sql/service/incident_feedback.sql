-- One row per incident: whether the people who met it said so, and when.
with met as (
    select
        i.incident_id,
        r.day,
        r.request_id
    from service.incidents_now as i
    inner join logs.requests as r
        on i.evidence_from <= r.ts
        and r.ts < i.evidence_to
        and r.day >= cast(i.evidence_from as date)
        and r.day <= cast(i.evidence_to as date)
        and (i.feature is null or i.feature = r.feature)
        and (i.model is null or i.model = r.model or i.model = r.request_model)
    where coalesce(r.is_shadow, false) = false
),

told as (
    select
        met.incident_id,
        met.request_id,
        count(said.feedback_kind) as said,
        min(
            case
                when said.feedback_kind in ('correction', 'escalation')
                    or (said.feedback_kind in ('rating', 'outcome') and said.feedback_unit is null and said.feedback_value = 0)
                    then said.ts
            end
        ) as complained_at
    from met
    left join logs.feedback as said
        on met.request_id = said.request_id and met.day = said.request_day and said.state = 'matched'
    group by met.incident_id, met.request_id
),

figures as (
    select
        incident_id,
        count(*) as requests,
        count(case when said > 0 then 1 end) as requests_with_feedback,
        count(complained_at) as requests_with_complaint,
        min(complained_at) as first_complaint_at
    from told
    group by incident_id
)

select
    cast(i.day as date) as day,
    cast(i.incident_id as string) as incident_id,
    cast(i.feature as string) as feature,
    cast(i.model as string) as model,
    cast(i.detected_at as timestamp) as detected_at,
    cast(coalesce(f.requests, 0) as bigint) as requests,
    cast(coalesce(f.requests_with_feedback, 0) as bigint) as requests_with_feedback,
    cast(cast(f.requests_with_feedback as double) / nullif(f.requests, 0) as double) as feedback_coverage,
    cast(wilson_low(f.requests_with_feedback, f.requests) as double) as feedback_coverage_low,
    cast(wilson_high(f.requests_with_feedback, f.requests) as double) as feedback_coverage_high,
    cast(coalesce(f.requests_with_complaint, 0) as bigint) as requests_with_complaint,
    cast(f.first_complaint_at as timestamp) as first_complaint_at,
    cast(case when f.requests > 0 then f.requests_with_complaint > 0 end as boolean) as is_told_by_users,
    cast(f.first_complaint_at < i.detected_at as boolean) as is_told_before_detection
from service.incidents_now as i
left join figures as f
    on i.incident_id = f.incident_id
