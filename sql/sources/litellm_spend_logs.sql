-- One row per row of LiteLLM's table LiteLLM_SpendLogs, and one per document that a vector store found for it: JSON, CSV or
-- Parquet, as the proxy's database or its spend API gives them. Read against the schema of LiteLLM 1.83.0.
-- expects: request_id, call_type, api_key, spend, prompt_tokens, completion_tokens, startTime, endTime, model
--
-- The tokens follow the one convention that litellm.sql describes. The table has the same request_id as LiteLLM's other
-- logs, so that a call which came both ways counts once. In CSV the JSON columns are texts; so they are in some exports to
-- Parquet. The words of a call are not read here, even where the proxy stores them: its callbacks write them better.
with parsed as (
    select record_number, from_json(raw, '{
        "id": "VARCHAR", "status": "VARCHAR", "request_id": "VARCHAR", "call_type": "VARCHAR", "api_key": "VARCHAR",
        "spend": "VARCHAR", "prompt_tokens": "VARCHAR", "completion_tokens": "VARCHAR", "total_tokens": "VARCHAR",
        "startTime": "VARCHAR", "endTime": "VARCHAR", "completionStartTime": "VARCHAR", "request_duration_ms": "VARCHAR",
        "model": "VARCHAR", "model_id": "VARCHAR", "model_group": "VARCHAR", "custom_llm_provider": "VARCHAR",
        "api_base": "VARCHAR", "cache_hit": "VARCHAR", "cache_key": "VARCHAR", "team_id": "VARCHAR",
        "organization_id": "VARCHAR", "end_user": "VARCHAR", "session_id": "VARCHAR",
        "mcp_namespaced_tool_name": "VARCHAR", "metadata": "VARCHAR", "request_tags": "VARCHAR", "response": "VARCHAR"
    }') as d
    from records
),

opened as (
    select
        record_number,
        d,
        from_json(if(json_valid(d.request_tags), d.request_tags, null), '["VARCHAR"]') as tags,
        from_json(if(json_valid(d.response), d.response, null), '{
            "model": "VARCHAR", "service_tier": "VARCHAR", "choices": [{"finish_reason": "VARCHAR"}]
        }') as response,
        from_json(if(json_valid(d.metadata), d.metadata, null), '{
            "status": "VARCHAR", "user_api_key_team_alias": "VARCHAR", "spend_logs_metadata": "JSON",
            "requester_metadata": "JSON", "guardrail_information": "JSON",
            "usage_object": "VARCHAR", "additional_usage_values": "VARCHAR",
            "mcp_tool_call_metadata": {"name": "VARCHAR", "namespaced_tool_name": "VARCHAR"},
            "error_information": {"error_code": "VARCHAR", "error_class": "VARCHAR", "error_message": "VARCHAR"},
            "vector_store_request_metadata": [{
                "start_time": "DOUBLE", "end_time": "DOUBLE",
                "vector_store_search_response": {"data": [{"score": "VARCHAR", "file_id": "VARCHAR", "filename": "VARCHAR"}]}
            }]
        }') as m
    from parsed
),

used as (
    select
        *,
        m.error_information as failure,
        from_json(try(cast(coalesce(m.usage_object, m.additional_usage_values) as json)), '{
            "service_tier": "VARCHAR", "cache_read_input_tokens": "BIGINT", "cache_creation_input_tokens": "BIGINT",
            "prompt_tokens_details": {
                "cached_tokens": "BIGINT", "cache_creation_tokens": "BIGINT", "cache_write_tokens": "BIGINT",
                "audio_tokens": "BIGINT", "image_tokens": "BIGINT",
                "cache_creation_token_details": {"ephemeral_1h_input_tokens": "BIGINT"}
            },
            "completion_tokens_details": {
                "reasoning_tokens": "BIGINT", "audio_tokens": "BIGINT", "image_tokens": "BIGINT"
            }
        }') as usage,
        from_json(
            case json_type(m.guardrail_information)
                when 'OBJECT' then concat('[', m.guardrail_information, ']') when 'ARRAY' then m.guardrail_information end,
            '[{"guardrail_name": "VARCHAR", "guardrail_mode": "VARCHAR", "guardrail_status": "VARCHAR",
               "duration": "DOUBLE", "classification": {"category": "VARCHAR"}}]'
        ) as guardrails
    from opened
),

calls as (
    select
        *,
        d."startTime" as ts,
        coalesce(
            m.mcp_tool_call_metadata.namespaced_tool_name, m.mcp_tool_call_metadata.name,
            nullif(d.mcp_namespaced_tool_name, '')
        ) as tool_name,
        -- What the caller tagged the call with: a tag is `key:value`, or a word that is set.
        json_merge_patch(
            json_object(
                'api_base', d.api_base, 'call_type', d.call_type, 'model_group', d.model_group, 'model_id', d.model_id
            ),
            concat('{', array_to_string(list_transform(list_filter(
                tags, lambda tag: tag is not null
            ), lambda tag: concat(
                to_json(trim(split_part(tag, ':', 1))), ':',
                case when contains(tag, ':') then to_json(trim(substr(tag, instr(tag, ':') + 1))) else 'true' end
            )), ','), '}'),
            case json_type(m.spend_logs_metadata) when 'OBJECT' then m.spend_logs_metadata else '{}' end,
            case json_type(m.requester_metadata) when 'OBJECT' then m.requester_metadata else '{}' end
        ) as attributes,
        -- A cache hit names its provider only in front of the model's name.
        lower(coalesce(
            nullif(d.custom_llm_provider, ''), case when contains(d.model, '/') then split_part(d.model, '/', 1) end
        )) as provider,
        try_cast(d.prompt_tokens as bigint) as prompt_tokens,
        try_cast(d.completion_tokens as bigint) as completion_tokens,
        try_cast(d.total_tokens as bigint) as total_tokens,
        coalesce(try_cast(d.prompt_tokens as bigint) + try_cast(d.completion_tokens as bigint), 0) > 0 as is_measured,
        coalesce(usage.prompt_tokens_details.cached_tokens, usage.cache_read_input_tokens) as cache_read_tokens,
        coalesce(
            usage.prompt_tokens_details.cache_creation_tokens, usage.cache_creation_input_tokens,
            usage.prompt_tokens_details.cache_write_tokens
        ) as cache_write_tokens,
        usage.prompt_tokens_details.cache_creation_token_details.ephemeral_1h_input_tokens as cache_write_1h_tokens,
        usage.prompt_tokens_details.audio_tokens as audio_input_tokens,
        usage.prompt_tokens_details.image_tokens as image_input_tokens,
        usage.completion_tokens_details.reasoning_tokens as reasoning_tokens,
        usage.completion_tokens_details.audio_tokens as audio_output_tokens,
        usage.completion_tokens_details.image_tokens as image_output_tokens,
        -- Anthropic says `standard` where the others say `default`.
        replace(coalesce(response.service_tier, usage.service_tier), 'standard', 'default') as service_tier,
        coalesce(coalesce(nullif(d.status, ''), m.status) = 'failure', false) as is_failure,
        try_cast(failure.error_code as integer) as error_status,
        failure.error_class as error_name,
        -- Where nobody answered, LiteLLM makes a status up: 408 for its own timeout, 500 for a refused connection.
        coalesce(
            failure.error_class in ('Timeout', 'APIConnectionError')
            or ends_with(failure.error_message, 'Connection error.'), false
        ) as is_unanswered,
        list_filter(guardrails, lambda g: g.guardrail_status = 'guardrail_intervened') as interventions,
        list_filter(guardrails, lambda g: contains(g.guardrail_mode, 'post_call')) as output_guardrails,
        list_filter(guardrails, lambda g: not contains(g.guardrail_mode, 'post_call')) as input_guardrails,
        flatten(list_transform(
            m.vector_store_request_metadata, lambda s: coalesce(s.vector_store_search_response.data, [])
        )) as documents,
        d.request_id as request_id,
        -- The proxy writes the payload's trace_id under this name.
        d.session_id as trace_id,
        attributes ->> '$.session_id' as conversation_id,
        d.end_user as user_id,
        coalesce(nullif(d.organization_id, ''), attributes ->> '$.tenant') as tenant,
        coalesce(m.user_api_key_team_alias, d.team_id) as team,
        d.api_key as api_key_id,
        attributes ->> '$.feature' as feature,
        attributes ->> '$.environment' as environment
    from used
),

yielded as (
    select
        record_number,
        1 as part,
        if(tool_name is null, 'request', 'tool_call') as record_kind,
        -- Keeping files, batches and vector stores in order is no call to a model.
        case when not is_measured and coalesce(try_cast(d.spend as double), 0) = 0 and tool_name is null and regexp_matches(
            d.call_type,
            '^a?(get|create|delete|cancel|list|retrieve|upload|_?add|file|video|vector_store)_'
        ) then 'not_a_model_call' end as ignored_reason,
        case
            when d.request_id is null and d.id is not null
                then 'request_id, as in LiteLLM_SpendLogs; this is a StandardLoggingPayload: use format litellm'
            when coalesce(d.request_id, '') = '' then 'request_id: the id of the call, as in LiteLLM_SpendLogs'
            when d.spend is null then 'spend: the cost of the call, as in LiteLLM_SpendLogs'
            when d.call_type is null then 'call_type: a text such as acompletion'
            when prompt_tokens is null then 'prompt_tokens: a whole number'
            when completion_tokens is null then 'completion_tokens: a whole number'
        end as mismatch,
        if(tool_name is null, request_id, null) as request_id,
        if(tool_name is null, null, request_id) as record_id,
        ts, trace_id, conversation_id, user_id, tenant, team, api_key_id, feature, environment,
        tool_name,
        case
            when tool_name is null then null when not is_failure then 'ok' when error_name = 'Timeout' then 'timeout'
            else 'error'
        end as tool_status,
        case
            when provider in ('azure', 'azure_text') then 'azure.ai.openai'
            when provider = 'azure_ai' then 'azure.ai.inference'
            when starts_with(provider, 'bedrock') then 'aws.bedrock'
            when starts_with(provider, 'vertex_ai') then 'gcp.vertex_ai'
            when provider = 'gemini' then 'gcp.gemini'
            when provider = 'mistral' then 'mistral_ai'
            when provider = 'cohere_chat' then 'cohere'
            when provider = 'xai' then 'x_ai'
            when provider = 'text-completion-openai' then 'openai'
            else provider
        end as provider,
        case
            when tool_name is not null then null
            when starts_with(d.model, provider || '/') then substr(d.model, length(provider) + 2)
            else d.model
        end as request_model,
        response.model as response_model,
        d.model_group as route,
        case when is_measured then
            prompt_tokens - coalesce(cache_read_tokens, 0) - coalesce(cache_write_tokens, 0)
            - coalesce(audio_input_tokens, 0) - coalesce(image_input_tokens, 0)
        end as uncached_input_tokens,
        case when is_measured then cache_read_tokens end as cache_read_tokens,
        case when is_measured then cache_write_tokens - coalesce(cache_write_1h_tokens, 0) end as cache_write_5m_tokens,
        case when is_measured then cache_write_1h_tokens end as cache_write_1h_tokens,
        case when is_measured then audio_input_tokens end as audio_input_tokens,
        case when is_measured then image_input_tokens end as image_input_tokens,
        -- A few providers count the reasoning beside the answer; then the total says so.
        case when is_measured then
            completion_tokens
            - if(total_tokens = prompt_tokens + completion_tokens + reasoning_tokens, 0, coalesce(reasoning_tokens, 0))
            - coalesce(audio_output_tokens, 0) - coalesce(image_output_tokens, 0)
        end as output_tokens,
        case when is_measured then reasoning_tokens end as reasoning_tokens,
        case when is_measured then audio_output_tokens end as audio_output_tokens,
        case when is_measured then image_output_tokens end as image_output_tokens,
        -- Anthropic says `standard` where the others say `default`.
        if(service_tier = 'standard', 'default', service_tier) as service_tier,
        case when contains(d.call_type, 'retrieve_batch') then 'true' end as is_batch,
        case when is_measured or not is_failure then d.spend end as reported_cost_usd,
        case when tool_name is null then
            try(epoch_us(try_cast(d."endTime" as timestamptz) - try_cast(ts as timestamptz))) / 1000
        end as latency_ms,
        -- Without a stream this is when the answer was whole.
        case when tool_name is null
            and try_cast(d."completionStartTime" as timestamptz) < try_cast(d."endTime" as timestamptz)
            then try(epoch_us(try_cast(d."completionStartTime" as timestamptz) - try_cast(ts as timestamptz))) / 1000
        end as time_to_first_token_ms,
        round(list_sum(list_transform(guardrails, lambda g: g.duration)) * 1000, 3) as filter_ms,
        round(list_sum(list_transform(m.vector_store_request_metadata, lambda s: s.end_time - s.start_time)) * 1000, 3)
            as retrieval_ms,
        case when lower(d.cache_hit) = 'true' then 'true' when d.cache_key = 'Cache OFF' then 'false' end
            as response_cache_lookup,
        case when lower(d.cache_hit) in ('true', 'false') then d.cache_hit when d.cache_key = 'Cache OFF' then 'false' end
            as response_cache_hit,
        case when tool_name is not null then null when is_failure then 'error' else response.choices[1].finish_reason end
            as finish_reason,
        case
            when not is_failure or tool_name is not null then null
            when error_name in ('ContentPolicyViolationError', 'ContextWindowExceededError') or len(interventions) > 0
                or contains(error_name, 'Guardrail') or failure.error_code = 'content_filter' then 'model'
            when error_name in ('JSONSchemaValidationError', 'APIResponseValidationError') then 'schema'
            when is_unanswered or error_status is null or error_status in (408, 425) then 'infrastructure'
            when error_status in (409, 429) or error_status >= 500 then 'provider'
            else 'client'
        end as error_class,
        case when is_failure then
            coalesce(if(error_status is null, nullif(failure.error_code, ''), null), nullif(error_name, ''))
        end as error_code,
        case when is_failure and not is_unanswered and error_status between 100 and 599 then error_status end as http_status,
        case
            when list_contains(list_transform(input_guardrails, lambda g: g.guardrail_status), 'guardrail_intervened')
                then if(is_failure, 'block', 'flag')
            when list_contains(list_transform(input_guardrails, lambda g: g.guardrail_status), 'success') then 'pass'
        end as safety_input_verdict,
        case
            when list_contains(list_transform(output_guardrails, lambda g: g.guardrail_status), 'guardrail_intervened')
                then if(is_failure, 'block', 'flag')
            when list_contains(list_transform(output_guardrails, lambda g: g.guardrail_status), 'success') then 'pass'
        end as safety_output_verdict,
        coalesce(interventions[1].classification.category, interventions[1].guardrail_name) as safety_category,
        attributes
    from calls

    union all by name

    select
        record_number, 1 + place as part, 'retrieval' as record_kind,
        request_id, ts, trace_id, conversation_id, user_id, tenant, team, api_key_id, feature, environment,
        coalesce(document.file_id, document.filename) as document_id,
        place as document_rank,
        document.score as retrieval_score
    from (select *, unnest(documents) as document, generate_subscripts(documents, 1) as place from calls) as found
)

select record_number, part, cast(columns(* exclude (record_number, part)) as varchar)
from yielded
