-- title: Safety bypasses
-- show: table
-- unit: facts
-- section: Safety and routing
-- empty: Nothing got past the filters in the last seven days.
-- meaning: Answers of the last seven days that were unsafe, the newest first, each with the way in which it was; no words are shown.
select
    ts as moment,
    kind,
    safety_category as category,
    feature,
    tenant,
    model,
    prompt_version,
    request_id
from service.safety_events
where day > $day - 7
order by ts desc, request_id, kind
limit 15;
