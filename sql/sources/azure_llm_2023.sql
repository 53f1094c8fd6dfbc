-- One row per record of the Azure LLM inference trace of 2023 (CSV; times are UTC without a zone, in 100 ns).
-- expects: TIMESTAMP, ContextTokens, GeneratedTokens
--
-- The trace names no user, tenant or request: two equal lines are two requests. Nothing says which context tokens
-- were cached, and prompt caches were not yet sold: all of them count as uncached.
select
    record_number,
    raw ->> 'TIMESTAMP' as ts,
    raw ->> 'ContextTokens' as uncached_input_tokens,
    raw ->> 'GeneratedTokens' as output_tokens
from records
