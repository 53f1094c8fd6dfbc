-- title: Active incidents
-- show: table
-- unit: facts
-- section: Incidents and alerts
-- empty: No incident is active.
-- meaning: Incidents that are not resolved, the newest first. `make incident` writes down what happens to one.
select
    incident_id as incident,
    state,
    severity,
    title,
    feature,
    model,
    affected_requests,
    affected_users,
    detected_at,
    contained_at
from service.incidents_now
where resolved_at is null
order by detected_at desc, incident_id;
