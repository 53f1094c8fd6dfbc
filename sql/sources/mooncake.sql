-- One row per request of a Mooncake trace (JSON Lines: timestamp, input_length, output_length, hash_ids).
--
-- `timestamp` is in milliseconds since the trace began, and `start:` of the source says when that was. The trace names no
-- model, user or request: two equal lines are two requests. `hash_ids` name blocks of 512 tokens, equal where prompts
-- begin alike; whether a server had them cached is not logged, so all input counts as uncached.
with requests as (
    select record_number, unnest(json_transform(raw, '{
        "timestamp": "VARCHAR", "input_length": "VARCHAR", "output_length": "VARCHAR"
    }'))
    from records
)

select
    record_number,
    case
        when try_cast("timestamp" as double) is null then 'timestamp: milliseconds since the start of the trace'
        when input_length is null then 'input_length: a number of tokens'
        when $start is null then 'start: when the trace began, in sources.yml'
    end as mismatch,
    -- A number of milliseconds may lie beyond all times.
    cast(try(
        cast($start as timestamptz) + to_microseconds(cast(try_cast("timestamp" as double) * 1000 as bigint))
    ) as varchar) as ts,
    input_length as uncached_input_tokens,
    output_length as output_tokens
from requests
