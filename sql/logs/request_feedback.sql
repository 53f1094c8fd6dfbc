-- One row per request and thing that was said about it, filed under the day of the request.
select
    cast(asked.day as date) as day,
    cast(asked.request_id as varchar) as request_id,
    cast(asked.ts as timestamp) as request_ts,
    cast(said.day as date) as feedback_day,
    cast(said.ts as timestamp) as feedback_ts,
    cast(said.file_id as varchar) as file_id,
    cast(said.record_number as bigint) as record_number,
    cast(said.feedback_kind as varchar) as feedback_kind,
    cast(said.feedback_name as varchar) as feedback_name,
    cast(said.feedback_value as double) as feedback_value,
    cast(said.feedback_unit as varchar) as feedback_unit,
    cast(said.feedback_label as varchar) as feedback_label,
    cast(said.feedback_by as varchar) as feedback_by,
    cast(asked.user_token as varchar) as user_token,
    cast(asked.trace_id as varchar) as trace_id,
    cast(asked.conversation_token as varchar) as conversation_token,
    cast(asked.tenant as varchar) as tenant,
    cast(asked.team as varchar) as team,
    cast(asked.feature as varchar) as feature,
    cast(asked.environment as varchar) as environment,
    cast(asked.provider as varchar) as provider,
    cast(asked.model as varchar) as model,
    cast(asked.prompt_id as varchar) as prompt_id,
    cast(asked.prompt_version as varchar) as prompt_version,
    cast(asked.deployment as varchar) as deployment,
    cast(asked.experiment_arm as varchar) as experiment_arm,
    cast(asked.is_shadow as boolean) as is_shadow
from logs.feedback as said
inner join logs.requests as asked
    on said.request_id = asked.request_id and said.request_day = asked.day
where said.state = 'matched'
