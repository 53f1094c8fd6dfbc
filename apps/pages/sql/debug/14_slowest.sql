-- title: Slowest answers
-- show: table
-- unit: facts
-- section: Dear and slow
-- empty: No request of the newest day has a latency.
-- meaning: Answers of the newest day that took longest, with what is known of where the time went.
select
    request_id,
    feature,
    model,
    latency_ms,
    queue_ms,
    retrieval_ms,
    time_to_first_token_ms,
    output_tokens
from logs.requests
where day = $day and latency_ms is not null and error_class is null
order by latency_ms desc, request_id
limit 10;
