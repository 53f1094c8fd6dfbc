-- Alerts that nobody closed
select alert_id, severity, state, title, feature, owner, first_seen, acknowledged_by
from service.alerts_now
where state in ('open', 'acknowledged', 'late') and cast(first_seen as date) <= $last
order by severity, first_seen, alert_id
