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
        list_transform(
            [line.started_at, line.ended_at, line.first_token_at],
            lambda t: case
                when not regexp_full_match(t, '[0-9]{9,19}([.][0-9]+)?') then epoch_us(try_cast(t as timestamptz))
                when length(split_part(t, '.', 1)) <= 11 then cast(t as double) * 1000000
                when length(split_part(t, '.', 1)) <= 14 then cast(t as double) * 1000
                when length(split_part(t, '.', 1)) <= 17 then cast(t as double)
                else cast(t as double) / 1000
            end
        ) as instants,
        case
            when starts_with(sent_json, '{') then sent_json
            when starts_with(sent_json, '"') and json_valid(sent_json ->> '$') then cast(sent_json ->> '$' as json)
        end as request_body,
        case
            when starts_with(received_json, '"') then received_json ->> '$'
            when starts_with(received_json, '[') then array_to_string(json_transform(received_json, '["VARCHAR"]'), chr(10))
            else cast(received_json as varchar)
        end as response_text,
        not starts_with(received_json, '[') and starts_with(response_text, '{') and json_valid(response_text) as is_plain,
        case
            when not is_plain then '[' || array_to_string(list_filter(
                list_transform(
                    string_split(response_text, chr(10)),
                    lambda l: trim(case when starts_with(l, 'data:') then l[6:] when starts_with(l, '{') then l end, e' \r')
                ),
                lambda l: l not in ('', '[DONE]')
            ), ',') || ']'
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
                    "tool_calls": [{"index": "INTEGER", "id": "VARCHAR", "function": {"name": "VARCHAR", "arguments": "VARCHAR"}}]
                }
            }]
        }]') as list
    from bodies
    where events <> '[]' and json_valid(events)
),

deltas as (
    select
        *,
        list_filter(list_transform(list, lambda c: c.response), lambda r: r is not null)[-1] as last_response,
        list_filter(
            flatten(list_transform(list, lambda c: coalesce(c.choices, []))), lambda c: coalesce(c.index, 0) = 0
        ) as first_choice
    from chunks
),

calls_in_pieces as (
    select *, flatten(list_transform(first_choice, lambda c: coalesce(c.delta.tool_calls, []))) as pieces
    from deltas
),

assembled as (
    select
        record_number,
        coalesce(
            last_response,
            to_json({
                'id': list_filter(list_transform(list, lambda c: c.id), lambda v: v <> '')[1],
                'object': case when len(first_choice) > 0 then 'chat.completion' end,
                -- Azure's first chunk has only its filter's verdict, and says 0 and '' for the rest.
                'created': list_filter(list_transform(list, lambda c: c.created), lambda v: v <> '0')[1],
                'model': list_filter(list_transform(list, lambda c: c.model), lambda v: v <> '')[1],
                'service_tier': list_filter(list_transform(list, lambda c: c.service_tier), lambda v: v <> '')[-1],
                'usage': list_filter(list_transform(list, lambda c: c.usage), lambda v: v is not null)[-1],
                'error': list_filter(
                    list_transform(list, lambda c: case when c.type = 'error' then to_json({'code': c.code}) else c.error end),
                    lambda v: v is not null
                )[-1],
                'choices': case
                    when len(first_choice) > 0
                        then [{
                            'finish_reason': list_filter(
                                list_transform(first_choice, lambda c: c.finish_reason), lambda v: v is not null
                            )[-1],
                            'message': {
                                'content': array_to_string(
                                    list_transform(first_choice, lambda c: coalesce(c.delta.content, c.text)), ''
                                ),
                                'refusal': nullif(
                                    array_to_string(list_transform(first_choice, lambda c: c.delta.refusal), ''), ''
                                ),
                                'tool_calls': list_transform(
                                    list_sort(list_distinct(list_transform(pieces, lambda p: coalesce(p.index, 0)))),
                                    lambda n: {
                                        'id': list_filter(pieces, lambda p: coalesce(p.index, 0) = n and p.id <> '')[1].id,
                                        'function': {
                                            'name': list_filter(
                                                pieces, lambda p: coalesce(p.index, 0) = n and p.function.name <> ''
                                            )[1].function.name,
                                            'arguments': array_to_string(
                                                list_transform(
                                                    list_filter(pieces, lambda p: coalesce(p.index, 0) = n),
                                                    lambda p: p.function.arguments
                                                ), ''
                                            )
                                        }
                                    }
                                )
                            }
                        }]
                end
            })
        ) as body
    from calls_in_pieces
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
                "results": [{"file_id": "VARCHAR", "score": "VARCHAR", "text": "VARCHAR"}],
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
                then [{'role': 'user', 'content': to_json(array_to_string(json_transform(question.input, '["VARCHAR"]'), chr(10)))}]
            when starts_with(question.input, '[')
                then json_transform(question.input, '[{"role": "VARCHAR", "content": "JSON"}]')
            when starts_with(question.prompt, '"') then [{'role': 'user', 'content': question.prompt}]
        end as turns
    from parsed
),

counted as (
    select
        *,
        json_transform(case when starts_with(error_json, '{') then error_json end, '{"code": "VARCHAR", "type": "VARCHAR"}')
            as error,
        list_transform(
            [
                said_input, said_output, answer.usage.total_tokens,
                coalesce(input_part.cached_tokens, answer.usage.prompt_cache_hit_tokens, answer.usage.cached_tokens),
                input_part.cache_write_tokens, input_part.audio_tokens, input_part.image_tokens,
                input_part.cached_tokens_details.audio_tokens,
                output_part.reasoning_tokens, output_part.audio_tokens, output_part.image_tokens
            ],
            lambda n: case when regexp_full_match(n, '[0-9]{1,15}([.]0*)?') then try_cast(n as bigint) when n is not null then -1 end
        ) as n,
        list_transform(
            turns,
            lambda t: {
                'role': t.role,
                'text': case
                    when starts_with(t.content, '"') then t.content ->> '$'
                    when starts_with(t.content, '[')
                        then array_to_string(list_transform(json_transform(t.content, '[{"text": "VARCHAR"}]'), lambda p: p.text), chr(10))
                end
            }
        ) as said,
        flatten(list_transform(coalesce(answer.choices, []), lambda c: list_transform(
            coalesce(c.message.tool_calls, []) || case
                when c.message.function_call is not null
                    then [{'id': null, 'function': c.message.function_call, 'custom': null}]
                else []
            end,
            lambda f: {
                'record_id': f.id,
                'tool_name': coalesce(f.function.name, f.custom.name),
                'arguments_text': coalesce(f.function.arguments, f.custom.input),
                'result_text': null::varchar, 'tool_status': null::varchar, 'tool_decision': null::varchar
            }
        ))) || list_transform(
            list_filter(coalesce(answer.output, []), lambda o: ends_with(o.type, '_call')),
            lambda o: {
                'record_id': coalesce(o.call_id, o.id),
                'tool_name': coalesce(o.name, o.type[:-6]),
                'arguments_text': coalesce(
                    o.arguments, o.input, o.code, o.queries, cast(json_merge_patch(o.action, '{"sources": null}') as varchar)
                ),
                'result_text': coalesce(o.output, o.outputs),
                -- What the caller runs itself is `completed` when it has been asked for, not when it has run.
                'tool_status': case
                    when o.error is not null then 'error'
                    when o.type not in ('mcp_call', 'web_search_call', 'file_search_call', 'code_interpreter_call', 'image_generation_call')
                        then null
                    when o.status = 'completed' then 'ok'
                    when o.status = 'failed' then 'error'
                end,
                'tool_decision': case when o.approval_request_id is not null then 'allowed' end
            }
        ) as tool_calls,
        flatten(list_transform(
            list_filter(coalesce(answer.output, []), lambda o: o.results is not null or o.action is not null),
            lambda o: list_transform(
                case
                    when o.results is not null
                        then list_transform(o.results, lambda r: {'document_id': r.file_id, 'score': r.score, 'text': r.text})
                    else list_transform(
                        coalesce(json_transform(o.action, '{"sources": [{"url": "VARCHAR"}]}').sources, []),
                        lambda s: {'document_id': s.url, 'score': null, 'text': null}
                    )
                end,
                lambda r, i: {'record_id': o.id || '/' || i, 'rank': i, 'document_id': r.document_id, 'score': r.score, 'text': r.text}
            )
        )) as documents,
        case
            when list_contains(list_transform(answer.output, lambda o: o.type), 'message')
                then flatten(flatten(list_transform(
                    answer.output,
                    lambda o: list_transform(coalesce(o.content, []), lambda c: coalesce(c.annotations, []))
                )))
        end as annotations,
        array_to_string(list_transform(
            answer.output, lambda o: case when o.type = 'message' then array_to_string(list_transform(o.content, lambda c: coalesce(c.text, c.refusal)), chr(10)) end
        ), chr(10)) as output_said,
        list_transform(answer.choices, lambda c: case
            when starts_with(c.message.content, '"') then c.message.content ->> '$'
            when starts_with(c.message.content, '[')
                then array_to_string(list_transform(json_transform(c.message.content, '[{"text": "VARCHAR"}]'), lambda p: p.text), chr(10))
            else coalesce(c.text, c.message.refusal)
        end) as choices_said
    from sorted
),

judged as (
    select
        *,
        -- Reasoning that stands beside the output, not inside it, shows in the total alone (Gemini, xAI).
        greatest(coalesce(n[3] - n[1] - n[2], 0), 0) as reasoning_apart,
        len(said) + 1 - list_position(list_reverse(list_transform(said, lambda t: t.role)), 'user') as last_user,
        coalesce(http_status >= 400 or error_json is not null or answer.status = 'failed', false) as has_failed,
        coalesce(
            answer.choices[1].message.refusal is not null
                or answer.choices[1].finish_reason = 'content_filter'
                or answer.incomplete_details.reason = 'content_filter'
                or len(list_filter(answer.output, lambda o: len(list_filter(o.content, lambda c: c.refusal is not null)) > 0)) > 0,
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
                then 'response/object: chat.completion, text_completion, response, response.compaction or a list of embeddings'
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
            list_transform(documents, lambda d: {'kind': 'retrieval', 'document': d})
            || list_transform(tool_calls, lambda c: {'kind': 'tool_call', 'call': c}) as items
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
        coalesce(own.request_model, question.model, nullif(regexp_extract(url, '/deployments/([^/?]+)', 1), '')) as request_model,
        coalesce(own.response_model, answer.model) as response_model,
        coalesce(own.prompt_id, answer.prompt.id) as prompt_id,
        coalesce(own.prompt_version, answer.prompt.version) as prompt_version,
        coalesce(own.parent_id, answer.previous_response_id, question.previous_response_id) as parent_id,
        coalesce(own.temperature, question.temperature) as temperature,
        coalesce(own.top_p, question.top_p) as top_p,
        coalesce(own.max_output_tokens, question.max_completion_tokens, question.max_output_tokens, question.max_tokens)
            as max_output_tokens,
        coalesce(own.uncached_input_tokens, cast(
            n[1] - coalesce(n[4], 0) - coalesce(n[5], 0) - coalesce(n[6], 0) - coalesce(n[7], 0) + coalesce(n[8], 0) as varchar
        )) as uncached_input_tokens,
        coalesce(own.cache_read_tokens, cast(n[4] - coalesce(n[8], 0) as varchar)) as cache_read_tokens,
        coalesce(own.cache_write_5m_tokens, cast(n[5] as varchar)) as cache_write_5m_tokens,
        coalesce(own.audio_input_tokens, cast(n[6] - coalesce(n[8], 0) as varchar)) as audio_input_tokens,
        coalesce(own.audio_cache_read_tokens, cast(n[8] as varchar)) as audio_cache_read_tokens,
        coalesce(own.image_input_tokens, cast(n[7] as varchar)) as image_input_tokens,
        coalesce(own.output_tokens, cast(
            n[2] - case when reasoning_apart > 0 then 0 else coalesce(n[9], 0) end - coalesce(n[10], 0) - coalesce(n[11], 0) as varchar
        )) as output_tokens,
        coalesce(own.reasoning_tokens, cast(case when reasoning_apart > 0 then reasoning_apart else n[9] end as varchar))
            as reasoning_tokens,
        coalesce(own.audio_output_tokens, cast(n[10] as varchar)) as audio_output_tokens,
        coalesce(own.image_output_tokens, cast(n[11] as varchar)) as image_output_tokens,
        coalesce(own.service_tier, answer.service_tier) as service_tier,
        coalesce(own.is_batch, case when line.custom_id is not null then 'true' end) as is_batch,
        coalesce(own.is_billed, case when error.code in ('batch_expired', 'batch_cancelled') then 'false' end) as is_billed,
        coalesce(own.reported_cost_usd, answer.usage.cost) as reported_cost_usd,
        coalesce(own.latency_ms, cast((instants[2] - instants[1]) / 1000 as varchar)) as latency_ms,
        coalesce(own.model_ms, cast(1000 * coalesce(
            answer.usage.prompt_time + answer.usage.completion_time, answer.time_info.prompt_time + answer.time_info.completion_time
        ) as varchar)) as model_ms,
        coalesce(own.queue_ms, cast(1000 * coalesce(answer.usage.queue_time, answer.time_info.queue_time) as varchar)) as queue_ms,
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
                        list_transform(answer.output, lambda o: o.type),
                        ['function_call', 'custom_tool_call', 'computer_call', 'local_shell_call', 'shell_call', 'apply_patch_call']
                    ) then 'tool_calls'
                    else 'stop'
                end
            when answer.status not in ('queued', 'in_progress') then answer.status
        end) as finish_reason,
        coalesce(own.error_class, case
            when is_refused or error.code in ('content_filter', 'content_policy_violation', 'context_length_exceeded') then 'model'
            when not has_failed then null
            when error.code in ('server_error', 'rate_limit_exceeded', 'vector_store_timeout', 'batch_expired') then 'provider'
            when http_status in (409, 425, 429) or (http_status >= 500 and error_json is not null) then 'provider'
            when http_status = 408 or http_status >= 500 then 'infrastructure'
            when http_status >= 400 or answer.status = 'failed' or error.code = 'batch_cancelled' then 'client'
            else 'infrastructure'
        end) as error_class,
        -- A sentence is no code, and may quote the prompt.
        coalesce(own.error_code, case
            when has_failed then coalesce(
                error.code, error.type, case when regexp_full_match(error_json ->> '$', '[A-Za-z0-9_.:-]{1,64}') then error_json ->> '$' end
            )
        end) as error_code,
        cast(http_status as varchar) as http_status,
        coalesce(own.is_complete, case
            when answer.status in ('queued', 'in_progress') or (response_text is null and not has_failed) then 'false'
        end) as is_complete,
        coalesce(own.safety_input_verdict, case when error.code = 'content_filter' then 'block' end) as safety_input_verdict,
        coalesce(own.safety_output_verdict, case
            when 'content_filter' in (answer.choices[1].finish_reason, answer.incomplete_details.reason) then 'block'
        end) as safety_output_verdict,
        coalesce(own.citation_count, cast(coalesce(len(annotations), len(answer.choices[1].message.annotations)) as varchar))
            as citation_count,
        nullif(cast(json_merge_patch(
            coalesce(question.metadata, answer.metadata, '{}'),
            case when line.custom_id is null then '{}' else to_json({'custom_id': line.custom_id}) end,
            coalesce(own.attributes, '{}')
        ) as varchar), '{}') as attributes,
        coalesce(own.system_text, array_to_string(
            [question.instructions] || list_transform(list_filter(said, lambda t: t.role in ('system', 'developer')), lambda t: t.text), chr(10)
        )) as system_text,
        coalesce(own.history_text, array_to_string(
            list_transform(list_filter(said, lambda t, i: t.role not in ('system', 'developer') and i is distinct from last_user), lambda t: t.text),
            chr(10)
        )) as history_text,
        coalesce(own.prompt_text, said[last_user].text) as prompt_text,
        coalesce(own.output_text, nullif(output_said, ''), array_to_string(choices_said, chr(10))) as output_text
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
    case when length(item.document.document_id) > 256 then 'sha256:' || sha256(item.document.document_id) else item.document.document_id end
        as document_id,
    cast(item.document.rank as varchar) as document_rank,
    item.document.score as retrieval_score,
    case
        when item.document is not null
            then cast(list_contains(list_transform(annotations, lambda a: coalesce(a.file_id, a.url)), item.document.document_id) as varchar)
    end as is_cited,
    item.document.text as document_text,
    item.call.tool_name as tool_name,
    item.call.arguments_text as arguments_text,
    item.call.result_text as result_text,
    item.call.tool_status as tool_status,
    item.call.tool_decision as tool_decision
from parts
