-- title: What people judged
-- show: table
-- unit: facts
-- section: How good it was
-- empty: Nobody has judged it.
-- meaning: Labels of the answer, each annotator's newest.
select
    labelled_at,
    hallucinated,
    grounded,
    safety_pass,
    toxic,
    instruction_followed,
    policy_followed,
    severity,
    root_cause
from quality.labels_now
where day = $day and request_id = $request_id
order by labelled_at;
