-- title: Feedback
-- show: table
-- unit: facts
-- section: How good it was
-- empty: Nobody has said anything about it.
-- meaning: What users and systems said about the request, the newest first; words of comments are not shown.
select
    feedback_ts as moment,
    feedback_kind as kind,
    feedback_name as name,
    feedback_value as said,
    feedback_unit as unit,
    feedback_label as label,
    feedback_by as said_by
from logs.request_feedback
where day = $day and request_id = $request_id
order by feedback_ts desc, feedback_kind, feedback_name;
