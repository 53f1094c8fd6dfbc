-- One row per incident as it stands: when it was detected, contained and resolved, whom it touched, whether it came before.

with folded as (
    select
        incident_id,
        min(day) as day,
        max(case when act = 'opened' then title end) as title,
        max(case when act = 'opened' then severity end) as severity,
        max(case when act = 'opened' then feature end) as feature,
        max(case when act = 'opened' then model end) as model,
        count(distinct alert_id) as alerts,
        min(evidence_from) as evidence_from,
        max(evidence_to) as evidence_to,
        min(case when act = 'opened' then happened_at end) as detected_at,
        min(case when act = 'contained' then happened_at end) as contained_at,
        min(case when act = 'resolved' then happened_at end) as resolved_at,
        max(affected_users) as affected_users,
        max(affected_requests) as affected_requests,
        min(case when act = 'compliance_notified' then happened_at end) as compliance_notified_at,
        max(case when act = 'released' then 1 else 0 end) as released,
        max(case when cause_class is not null then change end) as cause_change,
        max(case when is_reportable is not null then change end) as reportable_change
    from service.incidents
    group by incident_id
),

said as (
    select
        f.*,
        c.cause_class,
        r.is_reportable
    from folded as f
    left join service.incidents as c on f.incident_id = c.incident_id and f.cause_change = c.change
    left join service.incidents as r on f.incident_id = r.incident_id and f.reportable_change = r.change
)

select
    cast(day as date) as day,
    cast(incident_id as string) as incident_id,
    cast(
        case when resolved_at is not null then 'resolved' when contained_at is not null then 'contained' else 'open' end
        as string
    ) as state,
    cast(title as string) as title,
    cast(severity as string) as severity,
    cast(feature as string) as feature,
    cast(model as string) as model,
    cast(cause_class as string) as cause_class,
    cast(alerts as bigint) as alerts,
    cast(evidence_from as timestamp) as evidence_from,
    cast(evidence_to as timestamp) as evidence_to,
    cast(detected_at as timestamp) as detected_at,
    cast(contained_at as timestamp) as contained_at,
    cast(resolved_at as timestamp) as resolved_at,
    cast(affected_users as bigint) as affected_users,
    cast(affected_requests as bigint) as affected_requests,
    cast(
        count(*) over (
            partition by feature, cause_class
            order by detected_at nulls first, incident_id nulls first
            rows between unbounded preceding and current row
        ) - 1
        as bigint
    ) as recurrence,
    cast(is_reportable as boolean) as is_reportable,
    cast(compliance_notified_at as timestamp) as compliance_notified_at,
    cast(released = 1 as boolean) as is_evidence_released
from said
