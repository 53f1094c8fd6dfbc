-- title: Recent failed outputs
-- show: table
-- unit: facts
-- section: Failed of late
-- empty: Nobody has judged an answer to have failed.
-- meaning: Answers that people judged to be made up, unsafe, toxic or against instructions, the newest first. Who judged is not shown.
select
    said.day,
    said.request_id,
    requests.feature,
    requests.model,
    requests.prompt_version,
    concat_ws(
        ', ',
        case when bool_or(said.hallucinated) then 'made up' end,
        case when bool_or(not said.safety_pass) then 'unsafe' end,
        case when bool_or(said.toxic) then 'toxic' end,
        case when bool_or(not said.instruction_followed) then 'instruction not followed' end,
        case when bool_or(not said.policy_followed) then 'policy not followed' end
    ) as failed_as,
    any_value(said.severity) as severity,
    any_value(said.root_cause) as root_cause,
    count(*) as labels
from quality.labels_now as said
inner join logs.requests as requests using (day, request_id)
where
    said.day > $day - 30
    and (said.hallucinated or said.toxic or not said.safety_pass or not said.instruction_followed or not said.policy_followed)
group by said.day, said.request_id, requests.feature, requests.model, requests.prompt_version
order by said.day desc, said.request_id
limit 20;
