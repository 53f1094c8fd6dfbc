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
        case when is_envelope then coalesce(received.body, line.response, line.result.message) else cast(raw as json) end
            as received_json,
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
            'id': [e.message.id for e in list if e.message is not null][1],
            'model': [e.message.model for e in list if e.message is not null][1],
            'error': [e.error for e in list if e.error is not null][1],
            'stop_reason': [e.delta.stop_reason for e in list if e.delta.stop_reason is not null][-1],
            -- The output count of the start is where it began to count: without an end, the output is not known.
            'usages': [
                coalesce(e.usage, json_merge_patch(e.message.usage, '{"output_tokens": null}'))
                for e in list if coalesce(e.usage, e.message.usage) is not null
            ],
            'content': [{
                'type': b.content_block.type, 'id': b.content_block.id, 'name': b.content_block.name,
                'tool_use_id': b.content_block.tool_use_id, 'is_error': b.content_block.is_error,
                'content': b.content_block.content,
                'text': b.content_block.text || array_to_string([d.delta.text for d in list if d.index = b.index], ''),
                'input': coalesce(
                    nullif(array_to_string([d.delta.partial_json for d in list if d.index = b.index], ''), ''),
                    cast(b.content_block.input as varchar)
                ),
                'citations': [d.delta.citation for d in list if d.index = b.index and d.delta.citation is not null]
            } for b in list if b.content_block is not null]
        }) as body
    from chunks
    where list_has_any([e.type for e in list], ['message_start', 'error'])
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
        coalesce(answer.error -> 'error', answer.error, line.result.error -> 'error', line.result.error, line.error)
            as error_json,
        [json_transform(u, '{
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
        }') for u in coalesce(answer.usages, [answer.usage])] as usages
    from parsed
),

-- The message's own bill, then those of iterations that its counts leave out: another model's advice, a compaction.
-- `n` of a bill: 1 input, 2 read from the cache, 3 written to it, of that 4 for five minutes and 5 for an hour, 6 output,
-- 7 thinking; -1 for what is no number.
counted as (
    select
        *,
        case when starts_with(error_json, '{') then error_json ->> 'type' end as error_type,
        [{
            'model': b.model,
            'n': [
                case
                    when regexp_full_match(count, '[0-9]{1,15}([.]0*)?') then try_cast(count as bigint)
                    when count is not null then -1
                end for count in b.counts
            ]
        } for b in [{
            'model': answer.model,
            'counts': [
                [u.input_tokens for u in usages if u.input_tokens is not null][-1],
                [u.cache_read_input_tokens for u in usages if u.cache_read_input_tokens is not null][-1],
                [u.cache_creation_input_tokens for u in usages if u.cache_creation_input_tokens is not null][-1],
                [u.cache_creation.ephemeral_5m_input_tokens for u in usages if u.cache_creation is not null][-1],
                [u.cache_creation.ephemeral_1h_input_tokens for u in usages if u.cache_creation is not null][-1],
                [u.output_tokens for u in usages if u.output_tokens is not null][-1],
                [u.output_tokens_details.thinking_tokens for u in usages if u.output_tokens_details is not null][-1]
            ]
        }] || [{
            'model': coalesce(i.model, answer.model),
            'counts': [
                i.input_tokens, i.cache_read_input_tokens, i.cache_creation_input_tokens,
                i.cache_creation.ephemeral_5m_input_tokens, i.cache_creation.ephemeral_1h_input_tokens,
                i.output_tokens, i.output_tokens_details.thinking_tokens
            ]
        } for i in coalesce([u.iterations for u in usages if u.iterations is not null][-1], []) if i.type <> 'message']
        ] as bills,
        [{
            'role': m.role,
            'text': case
                when starts_with(m.content, '"') then m.content ->> '$'
                else nullif(array_to_string(m.content ->> '$[*].text', chr(10)), '')
            end
        } for m in question.messages] as said,
        [c for c in answer.content if c.tool_use_id is not null] as results,
        [c for c in flatten([c.citations for c in answer.content]) if c is not null] as citations
    from sorted
),

judged as (
    select
        *,
        len(said) + 1 - list_position(list_reverse([t.role = 'user' and t.text is not null for t in said]), true)
            as last_user,
        coalesce(
            http_status >= 400 or error_json is not null or line.result.type in ('errored', 'expired', 'canceled'), false
        ) as has_failed,
        case
            when line.custom_id is not null and line.params is not null then 'batch_request'
            when coalesce(answer.input_tokens, answer.inputTokens) is not null then 'token_count'
            when regexp_matches(url, '/(count_tokens|count-tokens)([?]|$)') then 'token_count'
            when not is_answer and method in ('get', 'delete', 'head', 'options') then 'not_a_model_call'
        end as ignored_reason,
        [{
            'record_id': c.id,
            'tool_name': c.name,
            'arguments_text': c.input,
            'result': [r for r in results if r.tool_use_id = c.id][1]
        } for c in coalesce(answer.content, []) if ends_with(c.type, 'tool_use')] as tool_calls,
        -- A search found a list of documents, a fetch one.
        flatten([
            [{'record_id': r.tool_use_id || '/' || place, 'rank': place, 'document_id': u}
            for u, place in case
                when starts_with(r.content, '[') then r.content ->> '$[*].url'
                when (r.content ->> 'url') is not null then [r.content ->> 'url']
                else []
            end]
            for r in coalesce(results, []) if r.type in ('web_search_tool_result', 'web_fetch_tool_result')
        ]) as documents
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
            nullif(regexp_extract(url_decode(url), '/models?/([^/?]+?)(?:/|:rawPredict|:streamRawPredict|$)', 1), '')
        ) as request_model,
        coalesce(
            own.region, nullif(regexp_extract(host, 'bedrock-runtime[.]([a-z0-9-]+)[.]', 1), ''),
            nullif([u.inference_geo for u in usages if u.inference_geo is not null][-1], 'not_available')
        ) as region,
        -- Anthropic says `standard` where the others say `default`.
        coalesce(own.service_tier, replace(
            [u.service_tier for u in usages if u.service_tier is not null][-1], 'standard', 'default'
        )) as service_tier,
        coalesce(own.is_batch, case when line.custom_id is not null then 'true' end) as is_batch,
        case
            when ignored_reason is not null then null
            when list_contains(flatten([b.n for b in bills]), -1) then 'response/usage: whole numbers of tokens'
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
            [{'kind': 'request', 'bill': b} for b in bills[2:]]
            || [{'kind': 'retrieval', 'document': d} for d in documents]
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
        coalesce(own.cache_write_5m_tokens, cast(
            coalesce(bills[1].n[3] - coalesce(bills[1].n[5], 0), bills[1].n[4]) as varchar
        )) as cache_write_5m_tokens,
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
            when error_type in ('rate_limit_error', 'api_error', 'overloaded_error') then 'provider'
            when http_status in (408, 425) then 'infrastructure'
            when http_status in (409, 429) or (http_status >= 500 and error_json is not null) then 'provider'
            when http_status >= 500 or error_type = 'timeout_error' then 'infrastructure'
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
        coalesce(own.safety_output_verdict, case when answer.stop_reason = 'refusal' then 'block' end)
            as safety_output_verdict,
        coalesce(own.citation_count, case when not has_failed then cast(len(citations) as varchar) end) as citation_count,
        -- Attributes that are no JSON are left to landing, which says so.
        coalesce(try(nullif(cast(json_merge_patch(
            case when line.custom_id is null then '{}' else to_json({'custom_id': line.custom_id}) end,
            coalesce(own.attributes, '{}')
        ) as varchar), '{}')), own.attributes) as attributes,
        coalesce(own.system_text, case
            when starts_with(question.system, '"') then question.system ->> '$'
            else array_to_string(question.system ->> '$[*].text', chr(10))
        end) as system_text,
        coalesce(own.history_text, array_to_string([t.text for t, i in said if i is distinct from last_user], chr(10)))
            as history_text,
        coalesce(own.prompt_text, said[last_user].text) as prompt_text,
        coalesce(own.output_text, array_to_string([c.text for c in answer.content], '')) as output_text
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
    case
        when length(item.document.document_id) > 256 then 'sha256:' || sha256(item.document.document_id)
        else item.document.document_id
    end as document_id,
    cast(item.document.rank as varchar) as document_rank,
    cast(list_contains([c.url for c in citations], item.document.document_id) as varchar) as is_cited,
    item.call.tool_name as tool_name,
    item.call.arguments_text as arguments_text,
    case
        when item.call.result.type = 'mcp_tool_result'
            then array_to_string(item.call.result.content ->> '$[*].text', chr(10))
        else item.call.result.content ->> 'stdout'
    end as result_text,
    case
        when item.call.result is null then null
        when item.call.result.is_error = 'true' or (item.call.result.content ->> 'error_code') is not null then 'error'
        else 'ok'
    end as tool_status
from parts
