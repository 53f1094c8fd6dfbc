-- One row per call of Anthropic's Messages API, and one per tool call, found document and separately billed iteration.
-- Bodies as they went over the wire, also through Bedrock and Vertex; plain or streamed; in an envelope of ours, as an
-- HTTP recording, as a line of a batch results file, or bare (docs/formats/anthropic.md).
--
-- The provider's input count excludes what was read from and written to the prompt cache; thinking lies inside its output
-- count. Bodies hold no time: the line or `start:` of the source does. A stream is first put together into one body.
with documents as (
    select
        record_number,
        raw,
        json_transform(raw, $structure) as own,
        json_transform(raw, '{
            "request": "JSON", "response": "JSON", "error": "JSON", "type": "VARCHAR", "params": "JSON",
            "result": {"type": "VARCHAR", "message": "JSON", "error": "JSON"}, "custom_id": "VARCHAR", "id": "VARCHAR",
            "url": "VARCHAR", "uri": "VARCHAR", "method": "VARCHAR", "status_code": "VARCHAR",
            "started_at": "VARCHAR", "ended_at": "VARCHAR", "first_token_at": "VARCHAR"
        }') as line
    from records
),

-- An HTTP recording, or a batch line, has the body inside `request` and `response`, beside what the transport says.
exchanges as (
    select
        *,
        coalesce(line.request, line.response) is not null or line.custom_id is not null
            or (line.status_code is not null and line.type is null) as is_envelope,
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
        case when is_envelope then coalesce(received.body, line.response, line.result.message) else cast(raw as json) end as received_json,
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
            "type": "VARCHAR", "index": "INTEGER", "error": "JSON",
            "message": {"id": "VARCHAR", "model": "VARCHAR", "usage": "JSON"}, "usage": "JSON",
            "content_block": {
                "type": "VARCHAR", "id": "VARCHAR", "name": "VARCHAR", "text": "VARCHAR", "input": "JSON",
                "tool_use_id": "VARCHAR", "is_error": "VARCHAR", "content": "JSON"
            },
            "delta": {"text": "VARCHAR", "partial_json": "VARCHAR", "citation": "JSON", "stop_reason": "VARCHAR"}
        }]') as list
    from bodies
    where events <> '[]' and json_valid(events)
),

assembled as (
    select
        record_number,
        to_json({
            'type': case when list[1].type = 'error' then 'error' else 'message' end,
            'id': list_filter(list, lambda e: e.type = 'message_start')[1].message.id,
            'model': list_filter(list, lambda e: e.type = 'message_start')[1].message.model,
            'error': list_filter(list, lambda e: e.type = 'error')[1].error,
            'stop_reason': list_filter(list, lambda e: e.delta.stop_reason is not null)[-1].delta.stop_reason,
            -- The output count of the start is where it began to count: without an end, the output is not known.
            'usages': list_filter(
                list_transform(list, lambda e: coalesce(e.usage, case when e.message is not null then json_merge_patch(e.message.usage, '{"output_tokens": null}') end)),
                lambda u: u is not null
            ),
            'content': list_transform(
                list_filter(list, lambda e: e.content_block is not null),
                lambda b: {
                    'type': b.content_block.type, 'id': b.content_block.id, 'name': b.content_block.name,
                    'tool_use_id': b.content_block.tool_use_id, 'is_error': b.content_block.is_error,
                    'content': b.content_block.content,
                    'text': b.content_block.text || array_to_string(
                        list_transform(list_filter(list, lambda d: d.index = b.index), lambda d: d.delta.text), ''
                    ),
                    'input': coalesce(nullif(array_to_string(
                        list_transform(list_filter(list, lambda d: d.index = b.index), lambda d: d.delta.partial_json), ''
                    ), ''), cast(b.content_block.input as varchar)),
                    'citations': list_transform(
                        list_filter(list, lambda d: d.index = b.index and d.delta.citation is not null), lambda d: d.delta.citation
                    )
                }
            )
        }) as body
    from chunks
    where len(list_filter(list, lambda e: e.type in ('message_start', 'error'))) > 0
),

parsed as (
    select
        t.*,
        t.events is not null and a.body is null and t.response_text is not null as is_unreadable,
        json_transform(t.request_body, '{
            "model": "VARCHAR", "temperature": "VARCHAR", "top_p": "VARCHAR", "max_tokens": "VARCHAR", "system": "JSON",
            "metadata": {"user_id": "VARCHAR"}, "messages": [{"role": "VARCHAR", "content": "JSON"}]
        }') as question,
        json_transform(coalesce(a.body, case when t.is_plain then t.response_text end), '{
            "id": "VARCHAR", "type": "VARCHAR", "model": "VARCHAR", "stop_reason": "VARCHAR", "error": "JSON",
            "request_id": "VARCHAR", "input_tokens": "VARCHAR", "inputTokens": "VARCHAR", "message": "VARCHAR",
            "usage": "JSON", "usages": ["JSON"],
            "content": [{
                "type": "VARCHAR", "id": "VARCHAR", "name": "VARCHAR", "text": "VARCHAR", "input": "VARCHAR",
                "tool_use_id": "VARCHAR", "is_error": "VARCHAR", "content": "JSON", "citations": [{"url": "VARCHAR"}]
            }]
        }') as answer
    from bodies as t
    left join assembled as a on a.record_number = t.record_number
),

-- A stream says its usage at the start and again at the end: the last word on each count holds.
sorted as (
    select
        *,
        coalesce(answer.type = 'message', false) as is_answer,
        coalesce(answer.error -> 'error', answer.error, line.result.error -> 'error', line.result.error, line.error) as error_json,
        list_transform(coalesce(answer.usages, [answer.usage]), lambda u: json_transform(u, '{
            "input_tokens": "VARCHAR", "output_tokens": "VARCHAR", "cache_read_input_tokens": "VARCHAR",
            "cache_creation_input_tokens": "VARCHAR", "output_tokens_details": {"thinking_tokens": "VARCHAR"},
            "cache_creation": {"ephemeral_5m_input_tokens": "VARCHAR", "ephemeral_1h_input_tokens": "VARCHAR"},
            "service_tier": "VARCHAR", "inference_geo": "VARCHAR",
            "iterations": [{
                "type": "VARCHAR", "model": "VARCHAR", "input_tokens": "VARCHAR", "output_tokens": "VARCHAR",
                "cache_read_input_tokens": "VARCHAR", "cache_creation_input_tokens": "VARCHAR",
                "output_tokens_details": {"thinking_tokens": "VARCHAR"},
                "cache_creation": {"ephemeral_5m_input_tokens": "VARCHAR", "ephemeral_1h_input_tokens": "VARCHAR"}
            }]
        }')) as usages
    from parsed
),

-- The message's own bill, then those of iterations that its counts leave out: another model's advice, a compaction.
counted as (
    select
        *,
        json_transform(case when starts_with(error_json, '{') then error_json end, '{"type": "VARCHAR"}').type as error_type,
        list_transform(
            [{
                'model': answer.model,
                'counts': [
                    list_filter(usages, lambda u: u.input_tokens is not null)[-1].input_tokens,
                    list_filter(usages, lambda u: u.cache_read_input_tokens is not null)[-1].cache_read_input_tokens,
                    list_filter(usages, lambda u: u.cache_creation_input_tokens is not null)[-1].cache_creation_input_tokens,
                    list_filter(usages, lambda u: u.cache_creation is not null)[-1].cache_creation.ephemeral_5m_input_tokens,
                    list_filter(usages, lambda u: u.cache_creation is not null)[-1].cache_creation.ephemeral_1h_input_tokens,
                    list_filter(usages, lambda u: u.output_tokens is not null)[-1].output_tokens,
                    list_filter(usages, lambda u: u.output_tokens_details is not null)[-1].output_tokens_details.thinking_tokens
                ]
            }] || list_transform(
                list_filter(
                    coalesce(list_filter(usages, lambda u: u.iterations is not null)[-1].iterations, []),
                    lambda i: i.type <> 'message'
                ),
                lambda i: {
                    'model': coalesce(i.model, answer.model),
                    'counts': [
                        i.input_tokens, i.cache_read_input_tokens, i.cache_creation_input_tokens,
                        i.cache_creation.ephemeral_5m_input_tokens, i.cache_creation.ephemeral_1h_input_tokens,
                        i.output_tokens, i.output_tokens_details.thinking_tokens
                    ]
                }
            ),
            lambda b: {
                'model': b.model,
                'n': list_transform(
                    b.counts,
                    lambda c: case when regexp_full_match(c, '[0-9]{1,15}([.]0*)?') then try_cast(c as bigint) when c is not null then -1 end
                )
            }
        ) as bills,
        list_transform(
            question.messages,
            lambda m: {
                'role': m.role,
                'text': case
                    when starts_with(m.content, '"') then m.content ->> '$'
                    else nullif(array_to_string(
                        list_transform(json_transform(m.content, '[{"text": "VARCHAR"}]'), lambda p: p.text), chr(10)
                    ), '')
                end
            }
        ) as said,
        list_filter(answer.content, lambda c: c.tool_use_id is not null) as results,
        list_filter(
            flatten(list_transform(answer.content, lambda c: coalesce(c.citations, []))), lambda c: c is not null
        ) as citations
    from sorted
),

judged as (
    select
        *,
        len(said) + 1 - list_position(
            list_reverse(list_transform(said, lambda t: t.role = 'user' and t.text is not null)), true
        ) as last_user,
        coalesce(http_status >= 400 or error_json is not null or line.result.type in ('errored', 'expired', 'canceled'), false)
            as has_failed,
        case
            when line.custom_id is not null and line.params is not null then 'batch_request'
            when coalesce(answer.input_tokens, answer.inputTokens) is not null then 'token_count'
            when regexp_matches(url, '/(count_tokens|count-tokens)([?]|$)') then 'token_count'
            when not is_answer and method in ('get', 'delete', 'head', 'options') then 'not_a_model_call'
        end as ignored_reason,
        list_transform(
            list_filter(coalesce(answer.content, []), lambda c: ends_with(c.type, 'tool_use')),
            lambda c: {
                'record_id': c.id,
                'tool_name': c.name,
                'arguments_text': c.input,
                'result': list_filter(results, lambda r: r.tool_use_id = c.id)[1]
            }
        ) as tool_calls,
        flatten(list_transform(
            list_filter(coalesce(results, []), lambda r: r.type in ('web_search_tool_result', 'web_fetch_tool_result')),
            lambda r: list_transform(
                list_filter(
                    json_transform(
                        case when starts_with(r.content, '[') then r.content else json_array(r.content) end, '[{"url": "VARCHAR"}]'
                    ), lambda d: d.url is not null
                ),
                lambda d, i: {'record_id': r.tool_use_id || '/' || i, 'rank': i, 'document_id': d.url}
            )
        )) as documents
    from counted
),

found as (
    select
        *,
        coalesce(own.ts, line.started_at, cast(cast($start as timestamptz) as varchar)) as ts,
        coalesce(own.request_id, answer.id, answer.request_id, case when is_envelope then line.id end, received.request_id)
            as request_id,
        coalesce(own.user_id, question.metadata.user_id) as user_id,
        coalesce(own.provider, case
            when starts_with(answer.id, 'msg_bdrk_') or ends_with(host, '.amazonaws.com') then 'aws.bedrock'
            when starts_with(answer.id, 'msg_vrtx_') or ends_with(host, 'googleapis.com') then 'gcp.vertex_ai'
            when starts_with(answer.id, 'msg_01') or host = 'api.anthropic.com' then 'anthropic'
        end) as provider,
        coalesce(
            own.request_model, question.model,
            nullif(regexp_extract(url_decode(url), '/(?:model|models)/([^/?]+?)(?:/|:[a-zA-Z]*rawPredict|:streamRawPredict|$)', 1), '')
        ) as request_model,
        coalesce(
            own.region, nullif(regexp_extract(host, 'bedrock-runtime[.]([a-z0-9-]+)[.]', 1), ''),
            nullif(list_filter(usages, lambda u: u.inference_geo is not null)[-1].inference_geo, 'not_available')
        ) as region,
        coalesce(own.service_tier, list_filter(usages, lambda u: u.service_tier is not null)[-1].service_tier) as service_tier,
        coalesce(own.is_batch, case when line.custom_id is not null then 'true' end) as is_batch,
        case
            when ignored_reason is not null then null
            when len(list_filter(bills, lambda b: list_contains(b.n, -1))) > 0 then 'response/usage: whole numbers of tokens'
            when is_plain and not is_answer and not has_failed then 'response/type: message or error'
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
            list_transform(bills[2:], lambda b: {'kind': 'request', 'bill': b})
            || list_transform(documents, lambda d: {'kind': 'retrieval', 'document': d})
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
        user_id as user_id,
        provider as provider,
        request_model as request_model,
        -- On Bedrock the price goes by the profile that was called (eu., us., global.), which only the request names.
        coalesce(own.response_model, case when provider <> 'aws.bedrock' or request_model is null then answer.model end)
            as response_model,
        region as region,
        coalesce(own.temperature, question.temperature) as temperature,
        coalesce(own.top_p, question.top_p) as top_p,
        coalesce(own.max_output_tokens, question.max_tokens) as max_output_tokens,
        coalesce(own.uncached_input_tokens, cast(bills[1].n[1] as varchar)) as uncached_input_tokens,
        coalesce(own.cache_read_tokens, cast(bills[1].n[2] as varchar)) as cache_read_tokens,
        coalesce(own.cache_write_5m_tokens, cast(coalesce(bills[1].n[3] - coalesce(bills[1].n[5], 0), bills[1].n[4]) as varchar))
            as cache_write_5m_tokens,
        coalesce(own.cache_write_1h_tokens, cast(bills[1].n[5] as varchar)) as cache_write_1h_tokens,
        coalesce(own.output_tokens, cast(bills[1].n[6] - coalesce(bills[1].n[7], 0) as varchar)) as output_tokens,
        coalesce(own.reasoning_tokens, cast(bills[1].n[7] as varchar)) as reasoning_tokens,
        service_tier as service_tier,
        is_batch as is_batch,
        -- Of a batch, only what succeeded is charged.
        coalesce(own.is_billed, case when line.result.type <> 'succeeded' then 'false' end) as is_billed,
        coalesce(own.latency_ms, cast((instants[2] - instants[1]) / 1000 as varchar)) as latency_ms,
        coalesce(own.time_to_first_token_ms, cast((instants[3] - instants[1]) / 1000 as varchar)) as time_to_first_token_ms,
        coalesce(own.finish_reason, case
            when has_failed then 'error'
            when answer.stop_reason in ('end_turn', 'stop_sequence') then 'stop'
            when answer.stop_reason in ('max_tokens', 'model_context_window_exceeded') then 'length'
            when answer.stop_reason = 'tool_use' then 'tool_calls'
            when answer.stop_reason = 'refusal' then 'content_filter'
            else answer.stop_reason
        end) as finish_reason,
        coalesce(own.error_class, case
            when answer.stop_reason = 'refusal' then 'model'
            when not has_failed then null
            when error_type in ('rate_limit_error', 'api_error', 'overloaded_error') or http_status in (409, 425, 429) then 'provider'
            when http_status >= 500 and error_json is not null then 'provider'
            when http_status = 408 or http_status >= 500 or error_type = 'timeout_error' then 'infrastructure'
            when http_status >= 400 or ends_with(error_type, '_error') or line.result.type = 'canceled' then 'client'
            when line.result.type = 'expired' then 'provider'
            else 'infrastructure'
        end) as error_class,
        -- A sentence is no code, and may quote the prompt.
        coalesce(own.error_code, case
            when has_failed then coalesce(
                error_type,
                case when regexp_full_match(error_json ->> '$', '[A-Za-z0-9_.:-]{1,64}') then error_json ->> '$' end,
                line.result.type
            )
        end) as error_code,
        cast(http_status as varchar) as http_status,
        coalesce(own.is_complete, case when response_text is null and not has_failed then 'false' end) as is_complete,
        coalesce(own.safety_output_verdict, case when answer.stop_reason = 'refusal' then 'block' end) as safety_output_verdict,
        coalesce(own.citation_count, case when not has_failed then cast(len(citations) as varchar) end) as citation_count,
        nullif(cast(json_merge_patch(
            case when line.custom_id is null then '{}' else to_json({'custom_id': line.custom_id}) end,
            coalesce(own.attributes, '{}')
        ) as varchar), '{}') as attributes,
        coalesce(own.system_text, case
            when starts_with(question.system, '"') then question.system ->> '$'
            else array_to_string(
                list_transform(json_transform(question.system, '[{"text": "VARCHAR"}]'), lambda p: p.text), chr(10)
            )
        end) as system_text,
        coalesce(own.history_text, array_to_string(
            list_transform(list_filter(said, lambda t, i: i is distinct from last_user), lambda t: t.text), chr(10)
        )) as history_text,
        coalesce(own.prompt_text, said[last_user].text) as prompt_text,
        coalesce(own.output_text, array_to_string(list_transform(answer.content, lambda c: c.text), '')) as output_text
    )
from found

union all by name

select
    record_number,
    part,
    item.kind as record_kind,
    coalesce(item.document.record_id, item.call.record_id) as record_id,
    ts,
    case when item.bill is null then request_id else request_id || '/' || cast(part as varchar) end as request_id,
    case when item.bill is not null then request_id end as parent_id,
    own.trace_id,
    own.conversation_id,
    user_id,
    own.tenant,
    own.team,
    own.feature,
    own.environment,
    own.may_store_text,
    own.may_label,
    own.may_train,
    case when item.bill is not null then own.api_key_id end as api_key_id,
    case when item.bill is not null then provider end as provider,
    case when item.bill is not null then region end as region,
    case when item.bill is not null then service_tier end as service_tier,
    case when item.bill is not null then is_batch end as is_batch,
    item.bill.model as request_model,
    item.bill.model as response_model,
    cast(item.bill.n[1] as varchar) as uncached_input_tokens,
    cast(item.bill.n[2] as varchar) as cache_read_tokens,
    cast(coalesce(item.bill.n[3] - coalesce(item.bill.n[5], 0), item.bill.n[4]) as varchar) as cache_write_5m_tokens,
    cast(item.bill.n[5] as varchar) as cache_write_1h_tokens,
    cast(item.bill.n[6] - coalesce(item.bill.n[7], 0) as varchar) as output_tokens,
    cast(item.bill.n[7] as varchar) as reasoning_tokens,
    -- A web address can be longer than a name may be.
    case when length(item.document.document_id) > 256 then 'sha256:' || sha256(item.document.document_id) else item.document.document_id end
        as document_id,
    cast(item.document.rank as varchar) as document_rank,
    cast(list_contains(list_transform(citations, lambda c: c.url), item.document.document_id) as varchar) as is_cited,
    item.call.tool_name as tool_name,
    item.call.arguments_text as arguments_text,
    case
        when item.call.result.type = 'mcp_tool_result' then array_to_string(list_transform(
            json_transform(item.call.result.content, '[{"text": "VARCHAR"}]'), lambda p: p.text
        ), chr(10))
        else json_transform(item.call.result.content, '{"stdout": "VARCHAR"}').stdout
    end as result_text,
    case
        when item.call.result is null then null
        when item.call.result.is_error = 'true' or json_transform(item.call.result.content, '{"error_code": "VARCHAR"}').error_code is not null
            then 'error'
        else 'ok'
    end as tool_status
from parts
