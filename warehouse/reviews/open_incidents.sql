-- Incidents that are not resolved, or were in this time
select incident_id, state, severity, title, feature, cause_class, detected_at, resolved_at, affected_requests
from service.incidents_now
where resolved_at is null or cast(resolved_at as date) between $first and $last
order by detected_at desc, incident_id
