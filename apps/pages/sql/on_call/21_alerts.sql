-- title: Open alerts
-- show: table
-- unit: facts
-- section: Incidents and alerts
-- empty: No alert is open.
-- meaning: >-
--   What rules found and nobody has closed; pages first. The rows behind an alert are asked by its evidence, what to do stands
--   in its runbook. `make ack` and `make outcome` answer one.
-- columns: {evidence: rows behind it, alert_id: alert, first_seen: since}
select
    severity,
    state,
    title,
    owner,
    first_seen,
    delivery,
    runbook,
    evidence,
    left(alert_id, 8) as alert_id
from service.alerts_now
where state in ('open', 'acknowledged')
order by severity, first_seen desc, alert_id;
