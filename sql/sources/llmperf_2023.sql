-- One row per call that LLMPerf measured against a provider (raw_data/individual of the LLMPerf leaderboard, 2023).
--
-- A record holds neither its time nor the model: a file is one run against one model, so a source per file gives `start:`
-- (the run's time, `timestamp` of its summary) and the model as defaults. All calls of a run share that time. The counts
-- are the client's; of a call that got no answer it still counts its own prompt, which nobody processed: left out.
with calls as (
    select record_number, unnest(json_transform(raw, '{
        "ts": "VARCHAR", "error_code": "VARCHAR", "end_to_end_latency_s": "DOUBLE", "ttft_s": "DOUBLE",
        "number_input_tokens": "VARCHAR", "number_output_tokens": "VARCHAR", "GEN_TEXT": "VARCHAR",
        "results_num_requests_started": "VARCHAR"
    }'))
    from records
)

select
    record_number,
    case when results_num_requests_started is not null then 'summary' end as ignored_reason,
    case
        when end_to_end_latency_s is null then 'end_to_end_latency_s: a number of seconds'
        when coalesce(ts, cast($start as varchar)) is null then 'start: the time of the run, in sources.yml'
    end as mismatch,
    coalesce(ts, cast(cast($start as timestamptz) as varchar)) as ts,
    case when end_to_end_latency_s > 0 then number_input_tokens end as uncached_input_tokens,
    case when end_to_end_latency_s > 0 then number_output_tokens end as output_tokens,
    -- A latency of 0 stands for a call that was refused.
    cast(1000 * nullif(end_to_end_latency_s, 0) as varchar) as latency_ms,
    cast(1000 * nullif(ttft_s, 0) as varchar) as time_to_first_token_ms,
    case when error_code is not null then 'error' end as finish_reason,
    -- -100: the answer was shorter than the run wanted. -1: no answer, for a reason that is not told.
    case error_code when '429' then 'provider' when '-100' then 'model' when '-1' then 'infrastructure' end as error_class,
    error_code,
    case when error_code = '429' then error_code end as http_status,
    "GEN_TEXT" as output_text
from calls
