-- One row per scored response that a judge was asked about, and judge: both guesses beside each other.
select
    cast(s.day as date) as day,
    cast(s.request_id as string) as request_id,
    cast(s.user_token as string) as user_token,
    cast(s.tenant as string) as tenant,
    cast(s.feature as string) as feature,
    cast(s.model as string) as model,
    cast(s.prompt_version as string) as prompt_version,
    cast(s.p_hallucinated as double) as p_hallucinated,
    cast(s.detector as string) as detector,
    cast(j.p_hallucinated as double) as judge_score,
    cast(j.verdict as string) as verdict,
    cast(j.error_class as string) as error_class,
    cast(j.judge as string) as judge,
    cast(j.reason as string) as reason
from quality.scores as s
inner join quality.judgements as j on s.day = j.day and s.request_id = j.request_id
