-- One row per alert that people were, or were to be, told of: what it turned out to be, and who says so.

with said as (
    select
        alert_id,
        outcome,
        row_number() over (partition by alert_id order by number desc) as place
    from service.alert_log
    where act = 'outcome'
),

belongs as (
    select alert_id, min(incident_id) as incident_id
    from service.incidents
    where alert_id is not null
    group by alert_id
),

-- How much reference stood behind a change on the first day on which it was found.
changes as (
    select
        'drift|||||' || change_id as fingerprint,
        min_by(status, day) as status
    from drift.changes
    where place = 1
    group by change_id
)

select
    cast(a.day as date) as day,
    cast(a.alert_id as string) as alert_id,
    cast(a.fingerprint as string) as fingerprint,
    cast(a.rule as string) as rule,
    cast(a.severity as string) as severity,
    cast(a.title as string) as title,
    cast(c.status as string) as status,
    cast(b.incident_id as string) as incident_id,
    cast(coalesce(s.outcome, case when b.incident_id is not null then 'incident' end) as string) as outcome,
    cast(
        case when s.outcome is not null then 'person' when b.incident_id is not null then 'incident' end as string
    ) as known_by
from service.alerts as a
left join said as s on a.alert_id = s.alert_id and s.place = 1
left join belongs as b on a.alert_id = b.alert_id
left join changes as c on a.fingerprint = c.fingerprint
where a.state = 'open' or s.outcome is not null or b.incident_id is not null
