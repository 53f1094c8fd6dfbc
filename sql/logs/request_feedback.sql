-- One row per request and thing that was said about it, filed under the day of the request.
select
    cast(asked.day as date) as day,
    cast(asked.request_id as string) as request_id,
    cast(asked.ts as timestamp) as request_ts,
    cast(said.day as date) as feedback_day,
    cast(said.ts as timestamp) as feedback_ts,
    cast(said.file_id as string) as file_id,
    cast(said.record_number as bigint) as record_number,
    cast(said.feedback_kind as string) as feedback_kind,
    cast(said.feedback_name as string) as feedback_name,
    cast(said.feedback_value as double) as feedback_value,
    cast(said.feedback_unit as string) as feedback_unit,
    cast(said.feedback_label as string) as feedback_label,
    cast(said.feedback_by as string) as feedback_by,
    cast(asked.user_token as string) as user_token,
    cast(asked.trace_id as string) as trace_id,
    cast(asked.conversation_token as string) as conversation_token,
    cast(asked.tenant as string) as tenant,
    cast(asked.team as string) as team,
    cast(asked.feature as string) as feature,
    cast(asked.environment as string) as environment,
    cast(asked.provider as string) as provider,
    cast(asked.model as string) as model,
    cast(asked.prompt_id as string) as prompt_id,
    cast(asked.prompt_version as string) as prompt_version,
    cast(asked.deployment as string) as deployment,
    cast(asked.experiment_arm as string) as experiment_arm,
    cast(asked.is_shadow as boolean) as is_shadow
from logs.feedback as said
inner join logs.requests as asked
    on said.request_id = asked.request_id and said.request_day = asked.day
where said.state = 'matched'
