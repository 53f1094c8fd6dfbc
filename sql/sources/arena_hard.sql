-- One row per answer of a model to a prompt of Arena-Hard (JSON Lines, a file per model: model_answer/*.jsonl).
--
-- `tstamp` is when the answer was stored, in seconds since 1970; tokens, latency and the prompt itself are not logged.
-- Where an answer has several `turns`, they are one text.
with answers as (
    select record_number, unnest(json_transform(raw, '{
        "question_id": "VARCHAR", "answer_id": "VARCHAR", "model_id": "VARCHAR", "tstamp": "VARCHAR",
        "choices": [{"turns": ["VARCHAR"]}]
    }'))
    from records
)

select
    record_number,
    case
        when answer_id is null then 'answer_id: a text'
        when model_id is null then 'model_id: a text'
        when choices[1].turns is null then 'choices: a list with one object of turns'
    end as mismatch,
    tstamp as ts,
    answer_id as request_id,
    model_id as request_model,
    question_id as prompt_id,
    array_to_string(choices[1].turns, chr(10)) as output_text
from answers
