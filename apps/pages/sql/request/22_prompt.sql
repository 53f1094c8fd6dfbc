-- title: Prompt and answer
-- show: facts
-- unit: facts
-- section: What was asked
-- meaning: >-
--   What is known of the words without showing them. Texts are not in the published file: they lie redacted in logs.texts, for
--   as long as seeds/retention.yml keeps words, where seeds/capture.yml has them kept at all.
select
    prompt_id as prompt,
    prompt_version,
    left(prompt_fingerprint, 16) as prompt_fingerprint,
    prompt_characters,
    prompt_language,
    prompt_system_tokens,
    prompt_history_tokens,
    prompt_retrieved_tokens,
    prompt_user_tokens,
    output_characters,
    output_language,
    citation_count as citations,
    is_window_truncated as window_cut,
    window_lost_tokens
from logs.requests
where day = $day and request_id = $request_id;
