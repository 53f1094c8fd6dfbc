-- One row per call that LiteLLM made, after it one per tool call that the answer asks for and per document that a
-- vector store found for it. JSON: a document is a StandardLoggingPayload, as LiteLLM's file, S3, GCS and custom
-- callbacks write it. Read against LiteLLM 1.83.0 and 1.109.1.
--
-- LiteLLM has one convention for all providers: prompt_tokens holds the tokens read from and written to the cache too
-- (also Anthropic's, which it adds: llms/anthropic/chat/transformation.py, calculate_usage), and completion_tokens holds
-- the reasoning. Its audio and image counts are those outside the cache. Zero tokens in all is "not measured".
-- Each attempt of a retry or fallback is a document of its own; all share a trace_id.
with parsed as (
    select record_number, from_json(raw, '{
        "id": "VARCHAR", "request_id": "VARCHAR", "spend": "VARCHAR", "trace_id": "VARCHAR", "session_id": "VARCHAR",
        "call_type": "VARCHAR", "stream": "VARCHAR", "status": "VARCHAR", "response_cost": "VARCHAR",
        "startTime": "VARCHAR", "endTime": "VARCHAR", "completionStartTime": "VARCHAR",
        "prompt_tokens": "VARCHAR", "completion_tokens": "VARCHAR", "total_tokens": "VARCHAR",
        "custom_llm_provider": "VARCHAR", "model": "VARCHAR", "model_group": "VARCHAR", "model_id": "VARCHAR",
        "api_base": "VARCHAR", "cache_hit": "VARCHAR", "end_user": "VARCHAR", "request_tags": ["VARCHAR"],
        "error_str": "VARCHAR", "messages": "JSON", "guardrail_information": "JSON",
        "metadata": {
            "user_api_key_hash": "VARCHAR", "user_api_key_org_id": "VARCHAR", "user_api_key_team_alias": "VARCHAR",
            "user_api_key_team_id": "VARCHAR", "team_alias": "VARCHAR", "team_id": "VARCHAR",
            "user_api_key_end_user_id": "VARCHAR", "requester_metadata": "JSON", "spend_logs_metadata": "JSON",
            "prompt_management_metadata": {"prompt_id": "VARCHAR", "prompt_version": "VARCHAR"},
            "mcp_tool_call_metadata": {
                "name": "VARCHAR", "namespaced_tool_name": "VARCHAR", "arguments": "VARCHAR", "result": "VARCHAR"
            },
            "vector_store_request_metadata": [{
                "vector_store_id": "VARCHAR", "start_time": "DOUBLE", "end_time": "DOUBLE",
                "vector_store_search_response": {"data": [{
                    "score": "VARCHAR", "file_id": "VARCHAR", "filename": "VARCHAR", "content": [{"text": "VARCHAR"}]
                }]}
            }],
            "usage_object": {
                "service_tier": "VARCHAR", "cache_read_input_tokens": "BIGINT", "cache_creation_input_tokens": "BIGINT",
                "prompt_tokens_details": {
                    "cached_tokens": "BIGINT", "cache_creation_tokens": "BIGINT", "cache_write_tokens": "BIGINT",
                    "audio_tokens": "BIGINT", "image_tokens": "BIGINT",
                    "cache_creation_token_details": {
                        "ephemeral_5m_input_tokens": "BIGINT", "ephemeral_1h_input_tokens": "BIGINT"
                    }
                },
                "completion_tokens_details": {
                    "reasoning_tokens": "BIGINT", "audio_tokens": "BIGINT", "image_tokens": "BIGINT"
                }
            }
        },
        "model_parameters": {
            "temperature": "VARCHAR", "top_p": "VARCHAR", "max_tokens": "VARCHAR", "max_completion_tokens": "VARCHAR",
            "max_output_tokens": "VARCHAR", "user": "VARCHAR"
        },
        "hidden_params": {
            "litellm_model_name": "VARCHAR",
            "additional_headers": {
                "x-litellm-attempted-retries": "VARCHAR", "x-litellm-attempted-fallbacks": "BIGINT"
            }
        },
        "error_information": {
            "error_code": "VARCHAR", "error_class": "VARCHAR", "error_message": "VARCHAR", "llm_provider": "VARCHAR"
        },
        "response": {
            "model": "VARCHAR", "service_tier": "VARCHAR", "status": "VARCHAR", "stop_reason": "VARCHAR",
            "incomplete_details": {"reason": "VARCHAR"},
            "choices": [{
                "finish_reason": "VARCHAR", "text": "VARCHAR",
                "message": {
                    "content": "VARCHAR", "annotations": ["JSON"],
                    "tool_calls": [{"id": "VARCHAR", "function": {"name": "VARCHAR", "arguments": "VARCHAR"}}]
                }
            }],
            "output": [{
                "type": "VARCHAR", "call_id": "VARCHAR", "name": "VARCHAR", "arguments": "VARCHAR",
                "content": [{"text": "VARCHAR", "annotations": ["JSON"]}]
            }],
            "content": [{"type": "VARCHAR", "text": "VARCHAR", "id": "VARCHAR", "name": "VARCHAR", "input": "VARCHAR"}]
        }
    }') as d
    from records
),

opened as (
    select
        record_number,
        d,
        d.metadata.usage_object.prompt_tokens_details as tokens_in,
        d.metadata.usage_object.completion_tokens_details as tokens_out,
        from_json(
            case json_type(d.guardrail_information)
                when 'OBJECT' then concat('[', d.guardrail_information, ']') when 'ARRAY' then d.guardrail_information end,
            '[{"guardrail_name": "VARCHAR", "guardrail_mode": "VARCHAR", "guardrail_status": "VARCHAR",
               "duration": "DOUBLE", "classification": {"category": "VARCHAR"}}]'
        ) as guardrails,
        -- An embedding's input stands here as a text or a list of texts.
        list_filter(
            case
                when json_type(d.messages) = 'VARCHAR' then [{'role': 'user', 'words': d.messages ->> '$'}]
                when json_type(d.messages -> 0) = 'VARCHAR'
                    then [{'role': 'user', 'words': array_to_string(d.messages ->> '$[*]', chr(10))}]
                when json_type(d.messages) = 'ARRAY'
                    then list_transform(from_json(d.messages, '[{"role": "VARCHAR", "content": "JSON"}]'), lambda m: {
                        'role': m.role,
                        'words': case json_type(m.content) when 'VARCHAR' then m.content ->> '$'
                            when 'ARRAY' then array_to_string(m.content ->> '$[*].text', chr(10)) end
                    })
            end,
            lambda m: m.words <> '' and m.words <> 'redacted-by-litellm'
        ) as messages
    from parsed
),

calls as (
    select
        *,
        d."startTime" as ts,
        -- What the caller tagged the call with: a tag is `key:value`, or a word that is set.
        json_merge_patch(
            json_object(
                'api_base', d.api_base, 'call_type', d.call_type, 'model_group', d.model_group, 'model_id', d.model_id
            ),
            concat('{', array_to_string(list_transform(list_filter(
                d.request_tags, lambda tag: tag is not null
            ), lambda tag: concat(
                to_json(trim(split_part(tag, ':', 1))), ':',
                case when contains(tag, ':') then to_json(trim(substr(tag, instr(tag, ':') + 1))) else 'true' end
            )), ','), '}'),
            case json_type(d.metadata.spend_logs_metadata) when 'OBJECT' then d.metadata.spend_logs_metadata else '{}' end,
            case json_type(d.metadata.requester_metadata) when 'OBJECT' then d.metadata.requester_metadata else '{}' end
        ) as attributes,
        -- A cache hit names its provider only in front of the model's name.
        lower(coalesce(
            nullif(d.custom_llm_provider, ''),
            case when contains(d.hidden_params.litellm_model_name, '/')
                then split_part(d.hidden_params.litellm_model_name, '/', 1) end,
            nullif(d.error_information.llm_provider, '')
        )) as provider,
        try_cast(d.prompt_tokens as bigint) as prompt_tokens,
        try_cast(d.completion_tokens as bigint) as completion_tokens,
        try_cast(d.total_tokens as bigint) as total_tokens,
        coalesce(try_cast(d.prompt_tokens as bigint) + try_cast(d.completion_tokens as bigint), 0) > 0 as is_measured,
        coalesce(tokens_in.cached_tokens, d.metadata.usage_object.cache_read_input_tokens) as cache_read_tokens,
        coalesce(
            tokens_in.cache_creation_tokens, d.metadata.usage_object.cache_creation_input_tokens,
            tokens_in.cache_write_tokens
        ) as cache_write_tokens,
        tokens_in.cache_creation_token_details.ephemeral_1h_input_tokens as cache_write_1h_tokens,
        tokens_out.reasoning_tokens as reasoning_tokens,
        coalesce(d.status = 'failure', d.error_str is not null) as is_failure,
        try_cast(d.error_information.error_code as integer) as error_status,
        d.error_information.error_class as error_name,
        -- Where nobody answered, LiteLLM makes a status up: 408 for its own timeout, 500 for a refused connection.
        coalesce(
            error_name in ('Timeout', 'APIConnectionError')
            or ends_with(d.error_information.error_message, 'Connection error.'), false
        ) as is_unanswered,
        list_filter(guardrails, lambda g: g.guardrail_status = 'guardrail_intervened') as interventions,
        list_filter(guardrails, lambda g: contains(g.guardrail_mode, 'post_call')) as output_guardrails,
        list_filter(guardrails, lambda g: not contains(g.guardrail_mode, 'post_call')) as input_guardrails,
        list_concat(
            flatten(list_transform(d.response.choices, lambda c: coalesce(list_transform(
                c.message.tool_calls, lambda t: {'id': t.id, 'name': t."function".name, 'arguments': t."function".arguments}
            ), []))),
            list_transform(
                list_filter(d.response.output, lambda o: o.type = 'function_call'),
                lambda o: {'id': o.call_id, 'name': o.name, 'arguments': o.arguments}
            ),
            list_transform(
                list_filter(d.response.content, lambda c: c.type = 'tool_use'),
                lambda c: {'id': c.id, 'name': c.name, 'arguments': c.input}
            )
        ) as tool_calls,
        flatten(list_transform(
            d.metadata.vector_store_request_metadata, lambda s: coalesce(s.vector_store_search_response.data, [])
        )) as documents,
        len(messages) + 1 - list_position(list_reverse(list_transform(messages, lambda m: m.role)), 'user') as newest
    from opened
),

owned as (
    select
        *,
        case when d.metadata.mcp_tool_call_metadata.name is null then 1 else 0 end as request_rows,
        d.id as request_id,
        d.trace_id as trace_id,
        coalesce(nullif(d.session_id, ''), attributes ->> '$.session_id') as conversation_id,
        coalesce(
            nullif(d.end_user, ''), nullif(d.metadata.user_api_key_end_user_id, ''), d.model_parameters.user
        ) as user_id,
        coalesce(d.metadata.user_api_key_org_id, attributes ->> '$.tenant') as tenant,
        coalesce(
            d.metadata.user_api_key_team_alias, d.metadata.team_alias, d.metadata.user_api_key_team_id, d.metadata.team_id
        ) as team,
        d.metadata.user_api_key_hash as api_key_id,
        attributes ->> '$.feature' as feature,
        attributes ->> '$.environment' as environment
    from calls
),

yielded as (
    select
        record_number,
        1 as part,
        'request' as record_kind,
        -- Keeping files, batches and vector stores in order is no call to a model.
        case when not is_measured and coalesce(try_cast(d.response_cost as double), 0) = 0 and regexp_matches(
            d.call_type,
            '^a?(get|create|delete|cancel|list|retrieve|upload|_?add|file|video|vector_store)_'
        ) then 'not_a_model_call' end as ignored_reason,
        case
            when d.id is null and d.spend is not null
                then 'id, as in a StandardLoggingPayload; this is a row of LiteLLM_SpendLogs: use format litellm_spend_logs'
            when d.id is null then 'id: the id of the call, as in a StandardLoggingPayload'
            when try_cast(ts as double) is null then 'startTime: seconds since 1970, as a number'
            when d.call_type is null then 'call_type: a text such as completion'
            when d.prompt_tokens is not null and prompt_tokens is null then 'prompt_tokens: a whole number'
            when d.completion_tokens is not null and completion_tokens is null then 'completion_tokens: a whole number'
        end as mismatch,
        request_id, ts, trace_id, conversation_id, user_id, tenant, team, api_key_id, feature, environment,
        d.metadata.prompt_management_metadata.prompt_id as prompt_id,
        d.metadata.prompt_management_metadata.prompt_version as prompt_version,
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
        case when starts_with(d.model, provider || '/') then substr(d.model, length(provider) + 2) else d.model end
            as request_model,
        d.response.model as response_model,
        d.model_group as route,
        d.model_parameters.temperature as temperature,
        d.model_parameters.top_p as top_p,
        coalesce(
            d.model_parameters.max_completion_tokens, d.model_parameters.max_tokens, d.model_parameters.max_output_tokens
        ) as max_output_tokens,
        case when is_measured then
            prompt_tokens - coalesce(cache_read_tokens, 0) - coalesce(cache_write_tokens, 0)
            - coalesce(tokens_in.audio_tokens, 0) - coalesce(tokens_in.image_tokens, 0)
        end as uncached_input_tokens,
        case when is_measured then cache_read_tokens end as cache_read_tokens,
        case when is_measured then cache_write_tokens - coalesce(cache_write_1h_tokens, 0) end as cache_write_5m_tokens,
        case when is_measured then cache_write_1h_tokens end as cache_write_1h_tokens,
        case when is_measured then tokens_in.audio_tokens end as audio_input_tokens,
        case when is_measured then tokens_in.image_tokens end as image_input_tokens,
        -- A few providers count the reasoning beside the answer; then the total says so.
        case when is_measured then
            completion_tokens
            - if(total_tokens = prompt_tokens + completion_tokens + reasoning_tokens, 0, coalesce(reasoning_tokens, 0))
            - coalesce(tokens_out.audio_tokens, 0) - coalesce(tokens_out.image_tokens, 0)
        end as output_tokens,
        case when is_measured then reasoning_tokens end as reasoning_tokens,
        case when is_measured then tokens_out.audio_tokens end as audio_output_tokens,
        case when is_measured then tokens_out.image_tokens end as image_output_tokens,
        -- Anthropic says `standard` where the others say `default`.
        replace(coalesce(d.response.service_tier, d.metadata.usage_object.service_tier), 'standard', 'default')
            as service_tier,
        case when contains(d.call_type, 'retrieve_batch') then 'true' end as is_batch,
        case when is_measured or not is_failure then d.response_cost end as reported_cost_usd,
        round((try_cast(d."endTime" as double) - try_cast(ts as double)) * 1000, 3) as latency_ms,
        -- Without a stream this is when the answer was whole.
        case when d.stream = 'true'
            then round((try_cast(d."completionStartTime" as double) - try_cast(ts as double)) * 1000, 3)
        end as time_to_first_token_ms,
        round(list_sum(list_transform(guardrails, lambda g: g.duration)) * 1000, 3) as filter_ms,
        round(list_sum(list_transform(
            d.metadata.vector_store_request_metadata, lambda s: s.end_time - s.start_time
        )) * 1000, 3) as retrieval_ms,
        d.hidden_params.additional_headers."x-litellm-attempted-retries" as retry_count,
        d.hidden_params.additional_headers."x-litellm-attempted-fallbacks" > 0 as is_fallback,
        if(d.cache_hit = 'true', 'true', null) as response_cache_lookup,
        d.cache_hit as response_cache_hit,
        case
            when is_failure then 'error'
            when d.response.stop_reason = 'max_tokens' or d.response.incomplete_details.reason = 'max_output_tokens'
                then 'length'
            when d.response.incomplete_details.reason is not null then d.response.incomplete_details.reason
            when d.response.stop_reason in ('end_turn', 'stop_sequence') then 'stop'
            when d.response.stop_reason = 'tool_use' then 'tool_calls'
            when d.response.status = 'completed' then if(len(tool_calls) > 0, 'tool_calls', 'stop')
            else coalesce(d.response.choices[1].finish_reason, d.response.stop_reason)
        end as finish_reason,
        case
            when not is_failure then if(d.response.choices[1].finish_reason = 'content_filter', 'model', null)
            when error_name in ('ContentPolicyViolationError', 'ContextWindowExceededError') or len(interventions) > 0
                or contains(error_name, 'Guardrail') or d.error_information.error_code = 'content_filter' then 'model'
            when error_name in ('JSONSchemaValidationError', 'APIResponseValidationError') then 'schema'
            when is_unanswered or error_status is null or error_status in (408, 425) then 'infrastructure'
            when error_status in (409, 429) or error_status >= 500 then 'provider'
            else 'client'
        end as error_class,
        case when is_failure then
            coalesce(if(error_status is null, nullif(d.error_information.error_code, ''), null), nullif(error_name, ''))
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
            when d.response.choices[1].finish_reason = 'content_filter' then 'block'
            when list_contains(list_transform(output_guardrails, lambda g: g.guardrail_status), 'success') then 'pass'
        end as safety_output_verdict,
        coalesce(interventions[1].classification.category, interventions[1].guardrail_name) as safety_category,
        coalesce(
            len(d.response.choices[1].message.annotations),
            list_sum(flatten(list_transform(
                d.response.output, lambda o: list_transform(o.content, lambda c: len(c.annotations))
            )))
        ) as citation_count,
        attributes,
        array_to_string(list_transform(
            list_filter(messages, lambda m: m.role in ('system', 'developer')), lambda m: m.words
        ), chr(10)) as system_text,
        array_to_string(list_transform(
            list_filter(messages, lambda m, i: m.role not in ('system', 'developer') and i <> coalesce(newest, 0)),
            lambda m: m.words
        ), chr(10)) as history_text,
        messages[newest].words as prompt_text,
        nullif(coalesce(
            d.response.choices[1].message.content,
            d.response.choices[1].text,
            array_to_string(flatten(list_transform(
                d.response.output, lambda o: coalesce(list_transform(o.content, lambda c: c.text), [])
            )), chr(10)),
            array_to_string(list_transform(d.response.content, lambda c: c.text), chr(10))
        ), 'redacted-by-litellm') as output_text
    from owned
    where request_rows = 1

    union all by name

    select
        record_number,
        1 as part,
        'tool_call' as record_kind,
        d.id as record_id,
        ts, trace_id, conversation_id, user_id, tenant, team, api_key_id, feature, environment,
        coalesce(d.metadata.mcp_tool_call_metadata.namespaced_tool_name, d.metadata.mcp_tool_call_metadata.name)
            as tool_name,
        case when not is_failure then 'ok' when error_name = 'Timeout' then 'timeout' else 'error' end as tool_status,
        d.metadata.mcp_tool_call_metadata.arguments as arguments_text,
        d.metadata.mcp_tool_call_metadata.result as result_text
    from owned
    where request_rows = 0

    union all by name

    select
        record_number, 1 + place as part, 'tool_call' as record_kind,
        request_id, ts, trace_id, conversation_id, user_id, tenant, team, api_key_id, feature, environment,
        call.id as record_id,
        call.name as tool_name,
        call.arguments as arguments_text
    from (select *, unnest(tool_calls) as call, generate_subscripts(tool_calls, 1) as place from owned) as asked

    union all by name

    select
        record_number, 1 + coalesce(len(tool_calls), 0) + place as part, 'retrieval' as record_kind,
        request_id, ts, trace_id, conversation_id, user_id, tenant, team, api_key_id, feature, environment,
        coalesce(document.file_id, document.filename) as document_id,
        place as document_rank,
        document.score as retrieval_score,
        array_to_string(list_transform(document.content, lambda c: c.text), chr(10)) as document_text
    from (select *, unnest(documents) as document, generate_subscripts(documents, 1) as place from owned) as found
)

select record_number, part, cast(columns(* exclude (record_number, part)) as varchar)
from yielded
