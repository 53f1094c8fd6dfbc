-- title: Safety decisions
-- show: facts
-- unit: facts
-- section: How it was served
-- meaning: What the filters said of the input and of the output, under which policy.
select
    safety_input_verdict as input,
    safety_output_verdict as output,
    safety_category as category,
    safety_policy_version as policy
from logs.requests
where day = $day and request_id = $request_id;
