-- title: Request
-- show: facts
-- unit: facts
-- section: What was asked
-- meaning: Who asked what kind of thing of which model, and how it ended. People are pseudonyms.
select
    ts as moment,
    tenant,
    team,
    feature,
    environment,
    user_token as user,
    conversation_token as conversation,
    conversation_turn as turn,
    trace_id as trace,
    provider,
    request_model as asked_for,
    model,
    finish_reason as finish,
    error_class as error,
    error_code,
    cast(http_status as varchar) as http,
    retry_count as retries,
    source
from logs.requests
where day = $day and request_id = $request_id;
