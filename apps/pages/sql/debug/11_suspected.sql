-- title: Suspected hallucinations
-- show: table
-- unit: facts
-- section: Failed of late
-- empty: No answer of the last seven days was scored.
-- meaning: >-
--   Answers of the last seven days that the detector holds most likely to be made up. Its guess is no verdict; support is the
--   share of the answer that its documents bear.
-- columns: {p_share: guess, support_share: support}
select
    day,
    request_id,
    feature,
    model,
    prompt_version,
    p_hallucinated as p_share,
    support_mean as support_share,
    unsupported_numbers + unsupported_dates + unsupported_names as unsupported_facts
from quality.scores
where day > $day - 7 and p_hallucinated is not null
order by p_hallucinated desc, day desc, request_id
limit 15;
