-- One row per alert as it stands: how long it went on, who was told, who answered, what it turned out to be.

with raised as (
    select
        *,
        -- What is held back and what outlives it are two alerts of one episode: each has all of it.
        lead(first_seen) over (
            partition by fingerprint, state = 'suppressed'
            order by first_seen nulls first, alert_id nulls first
        ) as next_first_seen
    from service.alerts
),

-- A later episode of the same fingerprint has an alert of its own: what lies before it belongs to this one.
found as (
    select
        r.alert_id,
        max(f.last_seen) as last_seen,
        count(*) as findings
    from raised as r
    inner join service.findings as f
        on
            r.fingerprint = f.fingerprint
            and f.last_seen >= r.first_seen - interval '24' hour
            and (r.next_first_seen is null or f.first_seen < r.next_first_seen)
    group by r.alert_id
),

acts as (
    select
        alert_id,
        min(case when act = 'sent' then acted_at end) as sent_at,
        min(case when act = 'escalated' then acted_at end) as escalated_at,
        min(case when act = 'acknowledged' then acted_at end) as acknowledged_at,
        min(case when act = 'resolved' then acted_at end) as resolved_at,
        sum(case when act = 'unconfirmed' then 1 else 0 end) as unconfirmed,
        sum(case when act = 'sending' then 1 else 0 end) as attempts,
        max(case when act = 'outcome' then number end) as outcomes
    from service.alert_log
    group by alert_id
)

select
    cast(r.day as date) as day,
    cast(r.alert_id as string) as alert_id,
    cast(r.severity as string) as severity,
    cast(
        case
            when o.outcome is not null then 'closed'
            when a.resolved_at is not null then 'resolved'
            -- What is wrong in the pipeline itself is no finding: it ends by being resolved.
            when f.alert_id is null and r.component <> 'pipeline' then 'withdrawn'
            when r.state <> 'open' then r.state
            when a.acknowledged_at is not null then 'acknowledged'
            else 'open'
        end
        as string
    ) as state,
    cast(
        case
            when a.sent_at is not null then 'sent'
            when a.unconfirmed > 0 then 'unconfirmed'
            when a.attempts > 0 then 'under_way'
            else 'none'
        end
        as string
    ) as delivery,
    cast(r.rule as string) as rule,
    cast(r.title as string) as title,
    cast(r.feature as string) as feature,
    cast(r.model as string) as model,
    cast(r.prompt_version as string) as prompt_version,
    cast(r.tenant as string) as tenant,
    cast(r.slo as string) as slo,
    cast(r.cause_class as string) as cause_class,
    cast(r.owner as string) as owner,
    cast(r.channel as string) as channel,
    cast(r.first_seen as timestamp) as first_seen,
    cast(greatest(coalesce(f.last_seen, a.resolved_at, r.last_seen), r.first_seen) as timestamp) as last_seen,
    cast(r.recorded_at as timestamp) as recorded_at,
    cast(a.sent_at as timestamp) as sent_at,
    cast(a.escalated_at as timestamp) as escalated_at,
    cast(a.acknowledged_at as timestamp) as acknowledged_at,
    cast(k.actor as string) as acknowledged_by,
    cast(o.outcome as string) as outcome,
    cast(r.suppressed_by as string) as suppressed_by,
    cast(r.runbook as string) as runbook,
    cast(r.evidence as string) as evidence
from raised as r
left join found as f on r.alert_id = f.alert_id
left join acts as a on r.alert_id = a.alert_id
left join service.alert_log as o on r.alert_id = o.alert_id and o.act = 'outcome' and o.number = a.outcomes
-- An alert is acknowledged once (the entry's key says so).
left join service.alert_log as k on r.alert_id = k.alert_id and k.act = 'acknowledged'
