-- One row per call of OpenAI's API or one that copies it, and one per tool call and found document in its answer.
-- Bodies as they went over the wire: chat completions, responses, completions, embeddings; plain or streamed; in an
-- envelope of ours, as an HTTP recording, as a line of a batch output file, or bare (docs/formats/openai.md).
--
-- Cached, written, audio and image tokens lie inside the provider's input count, reasoning and audio inside its output
-- count: they are taken out here. A stream is first put together into the body that a plain answer would have had.
with documents as (
    select
        record_number,
        raw,
        json_transform(raw, $structure) as own,
        json_transform(raw, '{
            "request": "JSON", "response": "JSON", "error": "JSON", "body": "JSON", "object": "VARCHAR", "choices": "JSON",
            "custom_id": "VARCHAR", "id": "VARCHAR", "url": "VARCHAR", "uri": "VARCHAR", "method": "VARCHAR",
            "status_code": "VARCHAR", "started_at": "VARCHAR", "ended_at": "VARCHAR", "first_token_at": "VARCHAR"
        }') as line
    from records
),

-- An HTTP recording, or a batch line, has the body inside `request` and `response`, beside what the transport says.
exchanges as (
    select
        *,
        coalesce(line.request, line.response) is not null or line.custom_id is not null
            or (line.status_code is not null and line.object is null) as is_envelope,
        json_transform(line.request, '{"body": "JSON", "url": "VARCHAR", "uri": "VARCHAR", "method": "VARCHAR"}') as sent,
        json_transform(line.response, '{
            "body": "JSON", "status_code": "VARCHAR", "status": "VARCHAR", "request_id": "VARCHAR"
        }') as received
    from documents
),

-- A body may be JSON, its text, the text of a stream, or the list of a stream's chunks.
bodies as (
    select
        *,
        coalesce(sent.body, line.request) as sent_json,
        case when is_envelope then coalesce(received.body, line.response) else cast(raw as json) end as received_json,
        lower(coalesce(line.method, sent.method)) as method,
        coalesce(line.url, line.uri, sent.url, sent.uri) as url,
        regexp_extract(url, '^https?://([^/:?]+)', 1) as host,
        try_cast(
            coalesce(
                own.http_status, line.status_code, received.status_code,
                case when regexp_full_match(received.status, '[1-5][0-9]{2}') then received.status end
            ) as integer
        ) as http_status,
        -- Microseconds since 1970, from ISO 8601 or from seconds, milli-, micro- or nanoseconds by their digits
        [
            case
                when not regexp_full_match(t, '[0-9]{9,19}([.][0-9]+)?') then epoch_us(try_cast(t as timestamptz))
                when length(split_part(t, '.', 1)) <= 11 then cast(t as double) * 1000000
                when length(split_part(t, '.', 1)) <= 14 then cast(t as double) * 1000
                when length(split_part(t, '.', 1)) <= 17 then cast(t as double)
                else cast(t as double) / 1000
            end for t in [line.started_at, line.ended_at, line.first_token_at]
        ] as instants,
        case
            when starts_with(sent_json, '{') then sent_json
            when starts_with(sent_json, '"') and json_valid(sent_json ->> '$') then cast(sent_json ->> '$' as json)
        end as request_body,
        case
            when starts_with(received_json, '"') then received_json ->> '$'
            when starts_with(received_json, '[') then array_to_string(received_json ->> '$[*]', chr(10))
            else cast(received_json as varchar)
        end as response_text,
        not starts_with(received_json, '[') and starts_with(response_text, '{') and json_valid(response_text) as is_plain,
        case
            when not is_plain then '[' || array_to_string([
                e for e in [
                    trim(case when starts_with(l, 'data:') then l[6:] when starts_with(l, '{') then l end, e' \r')
                    for l in string_split(response_text, chr(10))
                ] if e not in ('', '[DONE]')
            ], ',') || ']'
        end as events
    from exchanges
),

chunks as (
    select
        record_number,
        json_transform(events, '[{
            "id": "VARCHAR", "created": "VARCHAR", "model": "VARCHAR", "service_tier": "VARCHAR", "type": "VARCHAR",
            "code": "VARCHAR", "response": "JSON", "usage": "JSON", "error": "JSON",
            "choices": [{
                "index": "INTEGER", "finish_reason": "VARCHAR", "text": "VARCHAR",
                "delta": {
                    "content": "VARCHAR", "refusal": "VARCHAR",
                    "tool_calls": [{
                        "index": "INTEGER", "id": "VARCHAR", "function": {"name": "VARCHAR", "arguments": "VARCHAR"}
                    }]
                }
            }]
        }]') as list
    from bodies
    where events <> '[]' and json_valid(events)
),

deltas as (
    select
        *,
        [c.response for c in list if c.response is not null][-1] as last_response,
        [c for c in flatten([c.choices for c in list]) if coalesce(c.index, 0) = 0] as first_choice,
        flatten([c.delta.tool_calls for c in first_choice]) as pieces
    from chunks
),

assembled as (
    select
        record_number,
        coalesce(last_response, to_json({
            'id': [c.id for c in list if c.id <> ''][1],
            'object': case when len(first_choice) > 0 then 'chat.completion' end,
            -- Azure's first chunk has only its filter's verdict, and says 0 and '' for the rest.
            'created': [c.created for c in list if c.created <> '0'][1],
            'model': [c.model for c in list if c.model <> ''][1],
            'service_tier': [c.service_tier for c in list if c.service_tier <> ''][-1],
            'usage': [c.usage for c in list if c.usage is not null][-1],
            'error': [
                coalesce(c.error, to_json({'code': c.code})) for c in list if c.error is not null or c.type = 'error'
            ][-1],
            'choices': case when len(first_choice) > 0 then [{
                'finish_reason': [c.finish_reason for c in first_choice if c.finish_reason is not null][-1],
                'message': {
                    'content': array_to_string([coalesce(c.delta.content, c.text) for c in first_choice], ''),
                    'refusal': nullif(array_to_string([c.delta.refusal for c in first_choice], ''), ''),
                    'tool_calls': [{
                        'id': [p.id for p in pieces if coalesce(p.index, 0) = n and p.id <> ''][1],
                        'function': {
                            'name': [
                                p.function.name for p in pieces if coalesce(p.index, 0) = n and p.function.name <> ''
                            ][1],
                            'arguments': array_to_string(
                                [p.function.arguments for p in pieces if coalesce(p.index, 0) = n], ''
                            )
                        }
                    } for n in list_sort(list_distinct([coalesce(p.index, 0) for p in pieces]))]
                }
            }] end
        })) as body
    from deltas
),

parsed as (
    select
        t.*,
        t.events is not null and a.body is null and t.response_text is not null as is_unreadable,
        json_transform(t.request_body, '{
            "model": "VARCHAR", "temperature": "VARCHAR", "top_p": "VARCHAR", "max_tokens": "VARCHAR",
            "max_completion_tokens": "VARCHAR", "max_output_tokens": "VARCHAR", "user": "VARCHAR",
            "safety_identifier": "VARCHAR", "instructions": "VARCHAR", "metadata": "JSON", "previous_response_id": "VARCHAR",
            "messages": [{"role": "VARCHAR", "content": "JSON"}], "input": "JSON", "prompt": "JSON"
        }') as question,
        json_transform(coalesce(a.body, case when t.is_plain then t.response_text end), '{
            "id": "VARCHAR", "object": "VARCHAR", "created": "VARCHAR", "created_at": "VARCHAR", "model": "VARCHAR",
            "status": "VARCHAR", "service_tier": "VARCHAR", "error": "JSON", "incomplete_details": {"reason": "VARCHAR"},
            "conversation": {"id": "VARCHAR"}, "previous_response_id": "VARCHAR", "metadata": "JSON",
            "prompt": {"id": "VARCHAR", "version": "VARCHAR"}, "data": [{"object": "VARCHAR"}],
            "time_info": {"queue_time": "DOUBLE", "prompt_time": "DOUBLE", "completion_time": "DOUBLE"},
            "usage": {
                "prompt_tokens": "VARCHAR", "input_tokens": "VARCHAR", "completion_tokens": "VARCHAR",
                "output_tokens": "VARCHAR", "total_tokens": "VARCHAR", "prompt_cache_hit_tokens": "VARCHAR",
                "cached_tokens": "VARCHAR", "cost": "VARCHAR",
                "queue_time": "DOUBLE", "prompt_time": "DOUBLE", "completion_time": "DOUBLE",
                "prompt_tokens_details": {
                    "cached_tokens": "VARCHAR", "cache_write_tokens": "VARCHAR", "audio_tokens": "VARCHAR",
                    "image_tokens": "VARCHAR", "cached_tokens_details": {"audio_tokens": "VARCHAR"}
                },
                "input_tokens_details": {
                    "cached_tokens": "VARCHAR", "cache_write_tokens": "VARCHAR", "audio_tokens": "VARCHAR",
                    "image_tokens": "VARCHAR", "cached_tokens_details": {"audio_tokens": "VARCHAR"}
                },
                "completion_tokens_details": {
                    "reasoning_tokens": "VARCHAR", "audio_tokens": "VARCHAR", "image_tokens": "VARCHAR"
                },
                "output_tokens_details": {
                    "reasoning_tokens": "VARCHAR", "audio_tokens": "VARCHAR", "image_tokens": "VARCHAR"
                }
            },
            "choices": [{
                "finish_reason": "VARCHAR", "text": "VARCHAR",
                "message": {
                    "content": "JSON", "refusal": "VARCHAR", "annotations": ["VARCHAR"],
                    "function_call": {"name": "VARCHAR", "arguments": "VARCHAR"},
                    "tool_calls": [{
                        "id": "VARCHAR", "function": {"name": "VARCHAR", "arguments": "VARCHAR"},
                        "custom": {"name": "VARCHAR", "input": "VARCHAR"}
                    }]
                }
            }],
            "output": [{
                "type": "VARCHAR", "id": "VARCHAR", "call_id": "VARCHAR", "name": "VARCHAR", "arguments": "VARCHAR",
                "input": "VARCHAR", "status": "VARCHAR", "error": "VARCHAR", "output": "VARCHAR", "queries": "VARCHAR",
                "code": "VARCHAR", "outputs": "VARCHAR", "approval_request_id": "VARCHAR", "action": "JSON",
                "results": [{"file_id": "VARCHAR", "url": "VARCHAR", "score": "VARCHAR", "text": "VARCHAR"}],
                "content": [{
                    "text": "VARCHAR", "refusal": "VARCHAR",
                    "annotations": [{"type": "VARCHAR", "file_id": "VARCHAR", "url": "VARCHAR"}]
                }]
            }]
        }') as answer
    from bodies as t
    left join assembled as a on a.record_number = t.record_number
),

sorted as (
    select
        *,
        coalesce(answer.error, case when is_envelope then line.error end) as error_json,
        coalesce(answer.usage.prompt_tokens, answer.usage.input_tokens) as said_input,
        coalesce(answer.usage.completion_tokens, answer.usage.output_tokens) as said_output,
        coalesce(answer.usage.prompt_tokens_details, answer.usage.input_tokens_details) as input_part,
        coalesce(answer.usage.completion_tokens_details, answer.usage.output_tokens_details) as output_part,
        coalesce(
            answer.object in ('chat.completion', 'text_completion', 'response', 'response.compaction')
                or answer.choices is not null
                or (answer.object = 'list' and answer.data[1].object = 'embedding'),
            false
        ) as is_answer,
        case
            when question.messages is not null then question.messages
            when starts_with(question.input, '"') then [{'role': 'user', 'content': question.input}]
            when starts_with(question.input, '["')
                then [{'role': 'user', 'content': to_json(array_to_string(question.input ->> '$[*]', chr(10)))}]
            when starts_with(question.input, '[')
                then json_transform(question.input, '[{"role": "VARCHAR", "content": "JSON"}]')
            when starts_with(question.prompt, '"') then [{'role': 'user', 'content': question.prompt}]
        end as turns
    from parsed
),

-- The numbers in `n`: 1 input, 2 output, 3 total, 4 cached, 5 written to the cache, 6 audio in, 7 images in, 8 cached audio,
-- 9 reasoning, 10 audio out, 11 images out; -1 for what is no number.
counted as (
    select
        *,
        case when starts_with(error_json, '{') then error_json ->> 'code' end as error_code,
        case when starts_with(error_json, '{') then error_json ->> 'type' end as error_type,
        [
            case
                when regexp_full_match(count, '[0-9]{1,15}([.]0*)?') then try_cast(count as bigint)
                when count is not null then -1
            end for count in [
                said_input, said_output, answer.usage.total_tokens,
                coalesce(input_part.cached_tokens, answer.usage.prompt_cache_hit_tokens, answer.usage.cached_tokens),
                input_part.cache_write_tokens, input_part.audio_tokens, input_part.image_tokens,
                input_part.cached_tokens_details.audio_tokens,
                output_part.reasoning_tokens, output_part.audio_tokens, output_part.image_tokens
            ]
        ] as n,
        [{
            'role': t.role,
            'text': case
                when starts_with(t.content, '"') then t.content ->> '$'
                else array_to_string(t.content ->> '$[*].text', chr(10))
            end
        } for t in turns] as said,
        flatten([
            [{
                'record_id': f.id,
                'tool_name': coalesce(f.function.name, f.custom.name),
                'arguments_text': coalesce(f.function.arguments, f.custom.input)
            } for f in coalesce(c.message.tool_calls, []) || case
                when c.message.function_call is null then []
                else [{'id': null, 'function': c.message.function_call, 'custom': null}]
            end] for c in coalesce(answer.choices, [])
        ]) || [{
            'record_id': coalesce(o.call_id, o.id),
            'tool_name': coalesce(o.name, o.type[:-6]),
            'arguments_text': coalesce(
                o.arguments, o.input, o.code, o.queries, cast(json_merge_patch(o.action, '{"sources": null}') as varchar)
            ),
            'result_text': coalesce(o.output, o.outputs),
            -- What the caller runs itself is `completed` when it has been asked for, not when it has run.
            'tool_status': case
                when o.error is not null then 'error'
                when o.type not in (
                    'mcp_call', 'web_search_call', 'file_search_call', 'code_interpreter_call', 'image_generation_call'
                ) then null
                when o.status = 'completed' then 'ok'
                when o.status = 'failed' then 'error'
            end,
            'tool_decision': case when o.approval_request_id is not null then 'allowed' end
        } for o in coalesce(answer.output, []) if ends_with(o.type, '_call')] as tool_calls,
        flatten([
            [{
                'record_id': o.id || '/' || place, 'rank': place,
                'document_id': coalesce(d.file_id, d.url), 'score': d.score, 'text': d.text
            } for d, place in coalesce(
                o.results,
                [{'file_id': null, 'url': u, 'score': null, 'text': null} for u in o.action ->> '$.sources[*].url']
            )]
            for o in coalesce(answer.output, [])
        ]) as documents,
        case
            when list_contains([o.type for o in answer.output], 'message')
                then flatten(flatten([[c.annotations for c in o.content] for o in answer.output]))
        end as annotations,
        array_to_string(flatten([
            [coalesce(c.text, c.refusal) for c in o.content] for o in answer.output if o.type = 'message'
        ]), chr(10)) as output_said,
        array_to_string([
            case
                when starts_with(c.message.content, '"') then c.message.content ->> '$'
                when starts_with(c.message.content, '[') then array_to_string(c.message.content ->> '$[*].text', chr(10))
                else coalesce(c.text, c.message.refusal)
            end for c in answer.choices
        ], chr(10)) as choices_said
    from sorted
),

judged as (
    select
        *,
        -- Reasoning that stands beside the output, not inside it, shows in the total alone (Gemini, xAI).
        greatest(coalesce(n[3] - n[1] - n[2], 0), 0) as reasoning_apart,
        len(said) + 1 - list_position(list_reverse([t.role for t in said]), 'user') as last_user,
        coalesce(http_status >= 400 or error_json is not null or answer.status = 'failed', false) as has_failed,
        coalesce(
            answer.choices[1].message.refusal is not null
                or answer.choices[1].finish_reason = 'content_filter'
                or answer.incomplete_details.reason = 'content_filter'
                or len([c for c in flatten([o.content for o in answer.output]) if c.refusal is not null]) > 0,
            false
        ) as is_refused,
        case
            when line.custom_id is not null and line.response is null and line.body is not null then 'batch_request'
            when answer.object = 'response.input_tokens' then 'token_count'
            when not is_answer and answer.object is not null then 'not_a_model_call'
            when not is_answer and method in ('get', 'delete', 'head', 'options') then 'not_a_model_call'
        end as ignored_reason
    from counted
),

found as (
    select
        *,
        coalesce(
            own.ts, line.started_at, answer.created, answer.created_at, cast(cast($start as timestamptz) as varchar)
        ) as ts,
        coalesce(own.request_id, answer.id, case when is_envelope then line.id end, received.request_id) as request_id,
        coalesce(own.user_id, question.user, question.safety_identifier) as user_id,
        coalesce(own.conversation_id, answer.conversation.id) as conversation_id,
        -- OpenRouter's bodies name the provider behind it; the one that was called is the one that bills.
        coalesce(case when is_envelope then own.provider end, case
            when host = 'api.openai.com' or ends_with(host, '.api.openai.com') then 'openai'
            when ends_with(host, '.openai.azure.com') or ends_with(host, '.azure.com') then 'azure.ai.openai'
            when ends_with(host, 'googleapis.com') then 'gcp.gemini'
            when ends_with(host, 'mistral.ai') then 'mistral_ai'
            when ends_with(host, 'groq.com') then 'groq'
            when ends_with(host, 'api.x.ai') then 'x_ai'
            when ends_with(host, 'deepseek.com') then 'deepseek'
            when ends_with(host, 'perplexity.ai') then 'perplexity'
            when ends_with(host, 'cerebras.ai') then 'cerebras'
            when ends_with(host, 'openrouter.ai') then 'openrouter'
            when ends_with(host, 'fireworks.ai') then 'fireworks'
            when ends_with(host, 'together.xyz') or ends_with(host, 'together.ai') then 'together'
        end) as provider,
        case
            when ignored_reason is not null then null
            when list_contains(n, -1) then 'response/usage: whole numbers of tokens'
            when is_plain and not is_answer and not has_failed
                then 'response/object: chat.completion, text_completion, response or a list of embeddings'
            when is_unreadable and not has_failed then 'response: a JSON body, or a stream of JSON events'
            when response_text is null and line.request is null and not has_failed then 'response: a body, or an error'
            when ts is null then 'ts: a time in the line (ts or started_at), or start: of the source'
        end as mismatch
    from judged
),

parts as (
    select *, unnest(items) as item, 1 + generate_subscripts(items, 1) as part
    from (
        select
            *,
            [{'kind': 'retrieval', 'document': d} for d in documents]
            || [{'kind': 'tool_call', 'call': c} for c in tool_calls] as items
        from found
        where mismatch is null and ignored_reason is null
    )
)

select
    record_number,
    1 as part,
    ignored_reason,
    mismatch,
    own.* replace (
        'request' as record_kind,
        cast(null as varchar) as record_id,
        ts as ts,
        request_id as request_id,
        conversation_id as conversation_id,
        user_id as user_id,
        provider as provider,
        coalesce(own.request_model, question.model, nullif(regexp_extract(url, '/deployments/([^/?]+)', 1), ''))
            as request_model,
        coalesce(own.response_model, answer.model) as response_model,
        coalesce(own.prompt_id, answer.prompt.id) as prompt_id,
        coalesce(own.prompt_version, answer.prompt.version) as prompt_version,
        coalesce(own.parent_id, answer.previous_response_id, question.previous_response_id) as parent_id,
        coalesce(own.temperature, question.temperature) as temperature,
        coalesce(own.top_p, question.top_p) as top_p,
        coalesce(own.max_output_tokens, question.max_completion_tokens, question.max_output_tokens, question.max_tokens)
            as max_output_tokens,
        coalesce(own.uncached_input_tokens, cast(
            n[1] - coalesce(n[4], 0) - coalesce(n[5], 0) - coalesce(n[6], 0) - coalesce(n[7], 0) + coalesce(n[8], 0)
            as varchar
        )) as uncached_input_tokens,
        coalesce(own.cache_read_tokens, cast(n[4] - coalesce(n[8], 0) as varchar)) as cache_read_tokens,
        coalesce(own.cache_write_5m_tokens, cast(n[5] as varchar)) as cache_write_5m_tokens,
        coalesce(own.audio_input_tokens, cast(n[6] - coalesce(n[8], 0) as varchar)) as audio_input_tokens,
        coalesce(own.audio_cache_read_tokens, cast(n[8] as varchar)) as audio_cache_read_tokens,
        coalesce(own.image_input_tokens, cast(n[7] as varchar)) as image_input_tokens,
        coalesce(own.output_tokens, cast(
            n[2] - case when reasoning_apart > 0 then 0 else coalesce(n[9], 0) end - coalesce(n[10], 0) - coalesce(n[11], 0)
            as varchar
        )) as output_tokens,
        coalesce(own.reasoning_tokens, cast(case when reasoning_apart > 0 then reasoning_apart else n[9] end as varchar))
            as reasoning_tokens,
        coalesce(own.audio_output_tokens, cast(n[10] as varchar)) as audio_output_tokens,
        coalesce(own.image_output_tokens, cast(n[11] as varchar)) as image_output_tokens,
        coalesce(own.service_tier, answer.service_tier) as service_tier,
        coalesce(own.is_batch, case when line.custom_id is not null then 'true' end) as is_batch,
        coalesce(own.is_billed, case when error_code in ('batch_expired', 'batch_cancelled') then 'false' end) as is_billed,
        coalesce(own.reported_cost_usd, answer.usage.cost) as reported_cost_usd,
        coalesce(own.latency_ms, cast((instants[2] - instants[1]) / 1000 as varchar)) as latency_ms,
        coalesce(own.model_ms, cast(1000 * coalesce(
            answer.usage.prompt_time + answer.usage.completion_time,
            answer.time_info.prompt_time + answer.time_info.completion_time
        ) as varchar)) as model_ms,
        coalesce(own.queue_ms, cast(1000 * coalesce(answer.usage.queue_time, answer.time_info.queue_time) as varchar))
            as queue_ms,
        coalesce(own.time_to_first_token_ms, cast((instants[3] - instants[1]) / 1000 as varchar)) as time_to_first_token_ms,
        coalesce(own.finish_reason, case
            when has_failed then 'error'
            when answer.incomplete_details.reason = 'max_output_tokens' then 'length'
            when answer.incomplete_details.reason is not null then answer.incomplete_details.reason
            when answer.choices[1].finish_reason = 'function_call' then 'tool_calls'
            when answer.choices is not null then answer.choices[1].finish_reason
            when answer.status in ('completed', 'complete')
                then case
                    when list_has_any(
                        [o.type for o in answer.output],
                        [
                            'function_call', 'custom_tool_call', 'computer_call', 'local_shell_call', 'shell_call',
                            'apply_patch_call'
                        ]
                    ) then 'tool_calls'
                    else 'stop'
                end
            when answer.status not in ('queued', 'in_progress') then answer.status
        end) as finish_reason,
        coalesce(own.error_class, case
            when is_refused or error_code in ('content_filter', 'content_policy_violation', 'context_length_exceeded')
                then 'model'
            when not has_failed then null
            when error_code in ('server_error', 'rate_limit_exceeded', 'vector_store_timeout', 'batch_expired')
                then 'provider'
            when http_status in (408, 425) then 'infrastructure'
            when http_status in (409, 429) or (http_status >= 500 and error_json is not null) then 'provider'
            when http_status >= 500 then 'infrastructure'
            when http_status >= 400 or answer.status = 'failed' or error_code = 'batch_cancelled' then 'client'
            else 'infrastructure'
        end) as error_class,
        -- A sentence is no code, and may quote the prompt.
        coalesce(own.error_code, case
            when has_failed then coalesce(
                error_code, error_type,
                case when regexp_full_match(error_json ->> '$', '[A-Za-z0-9_.:-]{1,64}') then error_json ->> '$' end
            )
        end) as error_code,
        cast(http_status as varchar) as http_status,
        coalesce(own.is_complete, case
            when answer.status in ('queued', 'in_progress') or (response_text is null and not has_failed) then 'false'
        end) as is_complete,
        coalesce(own.safety_input_verdict, case when error_code = 'content_filter' then 'block' end) as safety_input_verdict,
        coalesce(own.safety_output_verdict, case
            when 'content_filter' in (answer.choices[1].finish_reason, answer.incomplete_details.reason) then 'block'
        end) as safety_output_verdict,
        coalesce(own.citation_count, cast(coalesce(len(annotations), len(answer.choices[1].message.annotations)) as varchar))
            as citation_count,
        -- Attributes that are no JSON are left to landing, which says so.
        coalesce(try(nullif(cast(json_merge_patch(
            coalesce(question.metadata, answer.metadata, '{}'),
            case when line.custom_id is null then '{}' else to_json({'custom_id': line.custom_id}) end,
            coalesce(own.attributes, '{}')
        ) as varchar), '{}')), own.attributes) as attributes,
        coalesce(own.system_text, array_to_string(
            [question.instructions] || [t.text for t in said if t.role in ('system', 'developer')], chr(10)
        )) as system_text,
        coalesce(own.history_text, array_to_string(
            [t.text for t, i in said if t.role not in ('system', 'developer') and i is distinct from last_user], chr(10)
        )) as history_text,
        coalesce(own.prompt_text, said[last_user].text) as prompt_text,
        coalesce(own.output_text, nullif(output_said, ''), choices_said) as output_text
    )
from found

union all by name

select
    record_number,
    part,
    item.kind as record_kind,
    coalesce(item.document.record_id, item.call.record_id) as record_id,
    ts,
    request_id,
    own.trace_id,
    conversation_id,
    user_id,
    own.tenant,
    own.team,
    own.feature,
    own.environment,
    own.index_version,
    own.embedder_version,
    own.may_store_text,
    own.may_label,
    own.may_train,
    -- A web address can be longer than a name may be.
    case
        when length(item.document.document_id) > 256 then 'sha256:' || sha256(item.document.document_id)
        else item.document.document_id
    end as document_id,
    cast(item.document.rank as varchar) as document_rank,
    item.document.score as retrieval_score,
    case
        when item.document is not null
            then cast(list_contains([coalesce(a.file_id, a.url) for a in annotations], item.document.document_id) as varchar)
    end as is_cited,
    item.document.text as document_text,
    item.call.tool_name as tool_name,
    item.call.arguments_text as arguments_text,
    item.call.result_text as result_text,
    item.call.tool_status as tool_status,
    item.call.tool_decision as tool_decision
from parts
