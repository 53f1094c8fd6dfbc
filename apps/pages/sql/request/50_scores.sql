-- title: Scores
-- show: facts
-- unit: facts
-- section: How good it was
-- empty: The answer was not scored; its words were not kept.
-- meaning: >-
--   How far the documents bear the answer, and what the detector holds of it. Its guess is no verdict.
-- columns: {p_share: guess that it is made up, support_mean_share: support, support_min_share: weakest sentence}
select
    p_hallucinated as p_share,
    support_mean as support_mean_share,
    support_min as support_min_share,
    citation_coverage,
    unsupported_numbers,
    unsupported_dates,
    unsupported_names,
    refuses,
    hedges,
    sentences,
    detector
from quality.scores
where day = $day and request_id = $request_id;
