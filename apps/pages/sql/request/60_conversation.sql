-- title: Conversation
-- show: table
-- unit: facts
-- section: Around it
-- empty: The request belongs to no conversation.
-- meaning: Requests of the same conversation on the same day.
with asked as (
    select conversation_token
    from logs.requests
    where day = $day and request_id = $request_id
)

select
    requests.ts as moment,
    requests.request_id,
    requests.conversation_turn as turn,
    requests.model,
    requests.error_class as error,
    requests.input_tokens,
    requests.output_tokens,
    requests.latency_ms
from logs.requests as requests
inner join asked using (conversation_token)
where requests.day = $day
order by requests.ts, requests.request_id
limit 20;
