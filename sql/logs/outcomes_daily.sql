-- One row per day of requests, model, prompt version, feature and kind of feedback: how many have it, and what it says.
with asked as (
    select day, model, prompt_version, feature, count(*) as requests
    from logs.requests
    group by day, model, prompt_version, feature
),

said as (
    select
        asked.day,
        asked.model,
        asked.prompt_version,
        asked.feature,
        said.feedback_kind,
        said.feedback_name,
        said.feedback_unit,
        said.feedback_by,
        count(distinct asked.request_id) as requests_with_feedback,
        count(*) as n,
        count(said.feedback_value) as n_with_value,
        sum(said.feedback_value) as value_sum
    from logs.feedback as said
    inner join logs.requests as asked
        on said.request_id = asked.request_id and said.request_day = asked.day
    where said.state = 'matched'
    group by
        asked.day, asked.model, asked.prompt_version, asked.feature,
        said.feedback_kind, said.feedback_name, said.feedback_unit, said.feedback_by
)

select
    cast(said.day as date) as day,
    cast(said.model as string) as model,
    cast(said.prompt_version as string) as prompt_version,
    cast(said.feature as string) as feature,
    cast(said.feedback_kind as string) as feedback_kind,
    cast(said.feedback_name as string) as feedback_name,
    cast(said.feedback_unit as string) as feedback_unit,
    cast(said.feedback_by as string) as feedback_by,
    cast(asked.requests as bigint) as requests,
    cast(said.requests_with_feedback as bigint) as requests_with_feedback,
    cast(cast(said.requests_with_feedback as double) / nullif(asked.requests, 0) as double) as coverage,
    cast(said.n as bigint) as n,
    cast(said.n_with_value as bigint) as n_with_value,
    cast(said.value_sum as double) as value_sum,
    cast(said.value_sum / nullif(said.n_with_value, 0) as double) as value_mean
from said
inner join asked
    on said.day = asked.day
    and said.model is not distinct from asked.model
    and said.prompt_version is not distinct from asked.prompt_version
    and said.feature is not distinct from asked.feature
