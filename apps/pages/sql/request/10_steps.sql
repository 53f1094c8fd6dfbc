-- title: Where the time went
-- show: steps
-- unit: ms
-- section: Time
-- empty: The log of this request says no durations.
-- meaning: >-
--   The request and its steps. Logs say how long queue, retrieval, model and filter took, and not when they began: they are
--   drawn one after the other in this order. Tool calls stand at their own times.
with asked as (
    select *
    from logs.requests
    where day = $day and request_id = $request_id
),

steps as (
    select 0 as place, 'whole request' as step, 0.0 as start_ms, latency_ms as duration_ms, error_class is not null as is_failed
    from asked
    union all
    select 1, 'queue', 0.0, queue_ms, false
    from asked
    union all
    select 2, 'retrieval', coalesce(queue_ms, 0), retrieval_ms, false
    from asked
    union all
    select 3, 'first token', coalesce(queue_ms, 0) + coalesce(retrieval_ms, 0), time_to_first_token_ms, false
    from asked
    where time_to_first_token_ms <= coalesce(latency_ms, time_to_first_token_ms)
    union all
    select 4, 'model', coalesce(queue_ms, 0) + coalesce(retrieval_ms, 0), model_ms, error_class = 'model'
    from asked
    union all
    select 5, 'safety filter', coalesce(queue_ms, 0) + coalesce(retrieval_ms, 0) + coalesce(model_ms, 0), filter_ms, false
    from asked
    union all
    select
        6,
        'tool ' || coalesce(calls.tool_name, 'not named'),
        greatest(coalesce(date_diff('millisecond', asked.ts, calls.ts), 0), 0),
        calls.latency_ms,
        calls.error_class is not null
    from logs.tool_calls as calls
    inner join asked using (day, request_id)
)

select step, start_ms, duration_ms, is_failed
from steps
where duration_ms is not null
order by place, start_ms, step;
