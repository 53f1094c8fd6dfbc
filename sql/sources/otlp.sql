-- One row per span that says something of LLM traffic, in the conventions of OpenTelemetry GenAI (gen_ai.*, current and
-- deprecated names), OpenLLMetry and OpenInference. Documents that a span found and evaluations on it are rows of their own.
--
-- A document is one of three:
-- - an export of the OpenTelemetry collector, or of an SDK's OTLP file exporter: resourceSpans[].scopeSpans[].spans[];
-- - one span as an SDK prints it, or as Phoenix's API gives it: context.span_id, attributes as a mapping;
-- - one row of Phoenix's table of spans: "context.span_id", columns attributes.*
-- All three become `spans`, with attributes as MAP(VARCHAR, VARCHAR) in which lists and objects are plain JSON text. Of an
-- attribute that stands twice, the first counts.
--
-- Both conventions count cached tokens within the input and reasoning within the output. Some instrumentations do not: that
-- shows by the total, or by a part larger than the whole, and then nothing is taken off.
-- `part` is made of the places of resource, span and row: landing numbers records in its order.
-- Spans of agents, chains and workflows repeat the usage of the calls below them: they are no requests.
with documents as (
    select
        record_number,
        raw,
        json_transform(raw, '{
            "resourceSpans": [{"resource": "JSON", "scopeSpans": [{"spans": ["JSON"]}]}],
            "resourceMetrics": "JSON", "resourceLogs": "JSON", "resourceProfiles": "JSON",
            "context": {"span_id": "VARCHAR"}, "context.span_id": "VARCHAR"
        }') as document
    from records
),

resources as (
    select
        record_number,
        generate_subscripts(document."resourceSpans", 1) as resource_place,
        unnest(document."resourceSpans") as of_resource
    from documents
),

-- Spans are parsed one by one: unnesting their text costs a third of unnesting them parsed.
span_texts as (
    select
        record_number,
        resource_place,
        map_from_entries(list_transform(
            list_filter(stated, lambda x, i:
                x.key is not null and list_position(list_transform(stated, lambda y: y.key), x.key) = i),
            lambda x: {'key': x.key, 'value':
                coalesce(x.value."stringValue", x.value."intValue", x.value."boolValue", x.value."doubleValue")}
        )) as r,
        flatten(list_transform(of_resource."scopeSpans", lambda s: s.spans)) as texts
    from (
        select
            *,
            json_transform(of_resource.resource, '{"attributes": [{"key": "VARCHAR", "value": {"stringValue": "VARCHAR",
                "intValue": "VARCHAR", "boolValue": "VARCHAR", "doubleValue": "VARCHAR"}}]}').attributes as stated
        from resources
    )
),

exported as (
    select record_number, resource_place, r, generate_subscripts(texts, 1) as span_place, unnest(texts) as text
    from span_texts
),

parsed as (
    select
        record_number,
        resource_place,
        span_place,
        r,
        json_transform(text, '{
            "traceId": "VARCHAR", "spanId": "VARCHAR", "parentSpanId": "VARCHAR",
            "startTimeUnixNano": "VARCHAR", "endTimeUnixNano": "VARCHAR", "status": {"code": "VARCHAR"},
            "attributes": [{"key": "VARCHAR", "value": {
                "stringValue": "VARCHAR", "intValue": "VARCHAR", "boolValue": "VARCHAR", "doubleValue": "VARCHAR",
                "arrayValue": "VARCHAR", "kvlistValue": "VARCHAR"}}],
            "events": [{"name": "VARCHAR", "timeUnixNano": "VARCHAR", "attributes": [{"key": "VARCHAR", "value": {
                "stringValue": "VARCHAR", "intValue": "VARCHAR", "boolValue": "VARCHAR", "doubleValue": "VARCHAR",
                "arrayValue": "VARCHAR", "kvlistValue": "VARCHAR"}}]}],
            "links": [{"traceId": "VARCHAR", "spanId": "VARCHAR"}]
        }') as span
    from exported
),

-- What a span's events say of the words counts as if the span said it.
stated as (
    select
        *,
        case when span.events is null then span.attributes else list_concat(span.attributes, flatten(list_transform(
            span.events, lambda e: list_filter(e.attributes, lambda x: x.key in (
                'gen_ai.input.messages', 'gen_ai.output.messages', 'gen_ai.system_instructions', 'gen_ai.prompt',
                'gen_ai.completion'))))) end as stated
    from parsed
),

plain as (
    select
        *,
        list_transform(stated, lambda x: {'key': coalesce(x.key, ''), 'value': case
            when x.value."arrayValue" is null and x.value."kvlistValue" is null
                then coalesce(x.value."stringValue", x.value."intValue", x.value."boolValue", x.value."doubleValue")
            when ends_with(x.key, '.embedding.vector') then null
            -- Structured values, as plain JSON: scalars, then from the innermost outwards lists, entries and objects.
            -- chr(1) and chr(2) stand for the braces of a finished object; raw they occur in no JSON text.
            else translate(list_reduce(
                range(case when x.value."kvlistValue" is null and not contains(x.value."arrayValue", '"key":') then 1
                    else 12 end),
                lambda text, turn: regexp_replace(regexp_replace(regexp_replace(
                    text,
                    '\{"arrayValue":\{"values":(\[(?:"(?:[^"\\]|\\.)*"|[^"{}])*\])\}\}', '\1', 'g'),
                    '\{"key":("(?:[^"\\]|\\.)*"),"value":((?:"(?:[^"\\]|\\.)*"|[^"{}])+)\}', '\1:\2', 'g'),
                    '\{"kvlistValue":\{"values":\[((?:"(?:[^"\\]|\\.)*"|[^"{}])*)\]\}\}', chr(1) || '\1' || chr(2), 'g'),
                replace(replace(replace(regexp_replace(regexp_replace(
                    coalesce(
                        '{"kvlistValue":' || x.value."kvlistValue" || '}', '{"arrayValue":' || x.value."arrayValue" || '}'),
                    '\{"intValue":"?(-?[0-9]+)"?\}', '\1', 'g'),
                    '\{"(?:string|bool|double|bytes)Value":("(?:[^"\\]|\\.)*"|[^"{}\[\],]+)\}', '\1', 'g'),
                    '{"arrayValue":{}}', '[]'), '{"kvlistValue":{}}', chr(1) || chr(2)), '"value":{}', '"value":null')
            ), chr(1) || chr(2), '{}')
        end}) as entries
    from stated
),
single as (
    select
        record_number,
        raw,
        json_transform(raw, '{
            "context": {"trace_id": "VARCHAR", "span_id": "VARCHAR"},
            "context.trace_id": "VARCHAR", "context.span_id": "VARCHAR",
            "parent_id": "VARCHAR", "start_time": "VARCHAR", "end_time": "VARCHAR",
            "status": {"status_code": "VARCHAR"}, "status_code": "VARCHAR",
            "attributes": "MAP(VARCHAR, VARCHAR)", "resource": {"attributes": "MAP(VARCHAR, VARCHAR)"},
            "events": [{"name": "VARCHAR", "timestamp": "VARCHAR", "attributes": "MAP(VARCHAR, VARCHAR)"}],
            "links": [{"context": {"trace_id": "VARCHAR", "span_id": "VARCHAR"}}]
        }') as span
    from documents
    where document.context.span_id is not null or document."context.span_id" is not null
),

found as (
    select
        record_number,
        resource_place * 1000000 + span_place as place,
        span."traceId" as trace_id,
        span."spanId" as span_id,
        span."parentSpanId" as parent_id,
        nullif(span."startTimeUnixNano", '0') as started,
        try_cast(nullif(span."startTimeUnixNano", '0') as bigint) as started_ns,
        try_cast(nullif(span."endTimeUnixNano", '0') as bigint) as ended_ns,
        coalesce(span.status.code in ('2', 'STATUS_CODE_ERROR'), false) as has_failed,
        coalesce(entries, []) as entries,
        r,
        list_transform(span.events, lambda e: {
            'name': e.name,
            'at_ns': try_cast(e."timeUnixNano" as bigint),
            'a': map_from_entries(list_transform(
                list_filter(e.attributes, lambda x, i:
                    x.key is not null and list_position(list_transform(e.attributes, lambda y: y.key), x.key) = i),
                lambda x: {'key': x.key, 'value':
                    coalesce(x.value."stringValue", x.value."intValue", x.value."boolValue", x.value."doubleValue")}))
        }) as events,
        span.links[1]."traceId" as link_trace_id,
        span.links[1]."spanId" as link_id
    from plain
    union all by name
    select
        record_number,
        1 as place,
        coalesce(span.context.trace_id, span."context.trace_id") as trace_id,
        coalesce(span.context.span_id, span."context.span_id") as span_id,
        span.parent_id,
        span.start_time as started,
        -- A table written by pandas has milliseconds since 1970.
        -- Nanoseconds end in the year 2262.
        try(coalesce(epoch_ns(try_cast(span.start_time as timestamptz)), try_cast(span.start_time as bigint) * 1000000))
            as started_ns,
        try(coalesce(epoch_ns(try_cast(span.end_time as timestamptz)), try_cast(span.end_time as bigint) * 1000000))
            as ended_ns,
        coalesce(coalesce(span.status.status_code, span.status_code) = 'ERROR', false) as has_failed,
        case when span.attributes is not null then list_concat(map_entries(span.attributes), coalesce(flatten(list_transform(
            span.events, lambda e: list_filter(map_entries(e.attributes), lambda x: x.key in (
                'gen_ai.input.messages', 'gen_ai.output.messages', 'gen_ai.system_instructions', 'gen_ai.prompt',
                'gen_ai.completion')))), []))
        else list_transform(
            list_filter(
                map_entries(json_transform(raw, '"MAP(VARCHAR, VARCHAR)"')), lambda x: starts_with(x.key, 'attributes.')),
            lambda x: {'key': x.key[12:], 'value': x.value})
        end as entries,
        coalesce(span.resource.attributes, cast(map {} as map(varchar, varchar))) as r,
        list_transform(span.events, lambda e: {
            'name': e.name, 'at_ns': try(epoch_ns(try_cast(e.timestamp as timestamptz))), 'a': e.attributes}) as events,
        span.links[1].context.trace_id as link_trace_id,
        span.links[1].context.span_id as link_id
    from single
),

spans as (
    select
        * exclude (trace_id, span_id, parent_id, link_trace_id, link_id, entries),
        regexp_replace(lower(trace_id), '^0x', '') as trace_id,
        regexp_replace(lower(span_id), '^0x', '') as span_id,
        regexp_replace(lower(parent_id), '^0x', '') as parent_id,
        regexp_replace(lower(link_trace_id), '^0x', '') as link_trace_id,
        regexp_replace(lower(link_id), '^0x', '') as link_id,
        map_from_entries(case
            when list_unique(list_transform(entries, lambda x: x.key)) = len(entries) then entries
            else list_filter(entries, lambda x, i: list_position(list_transform(entries, lambda y: y.key), x.key) = i)
        end) as a
    from found
),

kinds as (
    select
        *,
        lower(a['gen_ai.operation.name']) as operation,
        upper(a['openinference.span.kind']) as openinference_kind,
        lower(coalesce(a['gen_ai.provider.name'], a['gen_ai.system'], a['llm.provider'], a['llm.system'])) as said_provider,
        coalesce(a['gen_ai.usage.input_tokens'], a['gen_ai.usage.prompt_tokens'], a['llm.token_count.prompt'],
            a['gen_ai.usage.output_tokens']) is not null as has_usage,
        coalesce(a['error.type'], list_filter(events, lambda e: e.name = 'exception')[-1].a['exception.type']) as error_type,
        coalesce(a['http.response.status_code'], a['http.status_code'],
            case when regexp_full_match(a['error.type'], '[1-5][0-9][0-9]') then a['error.type'] end) as said_http_status
    from spans
),

judged as (
    select
        *,
        case
            when operation in ('chat', 'text_completion', 'generate_content', 'embeddings') then 'request'
            when operation = 'execute_tool' then 'tool_call'
            when operation = 'retrieval' then 'retrieval'
            -- Other operations are steps of agents, or a vendor's name for a call: only a call has usage.
            when operation is not null then case
                when has_usage and operation not in ('create_agent', 'invoke_agent', 'invoke_workflow', 'plan')
                    then 'request'
                else 'step'
            end
            when openinference_kind in ('LLM', 'EMBEDDING') then 'request'
            when openinference_kind = 'TOOL' then 'tool_call'
            when openinference_kind = 'RETRIEVER' then 'retrieval'
            when openinference_kind is not null then 'step'
            when a['llm.request.type'] in ('chat', 'completion', 'embedding') then 'request'
            when a['traceloop.span.kind'] = 'tool' then 'tool_call'
            when a['traceloop.span.kind'] is not null or a['llm.request.type'] is not null then 'step'
            when said_provider is not null
                then case when has_usage or a['gen_ai.request.model'] is not null then 'request' else 'step' end
            when list_contains(list_transform(events, lambda e: e.name), 'db.query.result') then 'retrieval'
        end as span_kind
    from kinds
),

facts as materialized (
    select
        *,
        case when span_kind = 'request' then coalesce(a['gen_ai.response.id'], span_id) end as own_request_id,
        (ended_ns - started_ns) / 1e6 as duration_ms,
        {
            'ts': started,
            'trace_id': trace_id,
            'span_id': span_id,
            'parent_id': parent_id,
            'conversation_id': coalesce(a['gen_ai.conversation.id'], a['session.id'],
                a['traceloop.association.properties.session_id']),
            'user_id': coalesce(a['user.id'], a['enduser.id'], a['enduser.pseudo.id'],
                a['traceloop.association.properties.user_id']),
            'tenant': coalesce(a['tenant.id'], r['tenant.id']),
            'team': coalesce(a['team'], r['team'], r['service.namespace']),
            'feature': coalesce(a['feature'], r['feature'], r['service.name']),
            'environment': coalesce(r['deployment.environment.name'], r['deployment.environment'],
                a['deployment.environment.name'], a['deployment.environment']),
            'deployment': r['service.version']
        } as common,
        list_concat(
            coalesce(list_transform(list_filter(events, lambda e: e.name = 'gen_ai.evaluation.result'), lambda e: {
                'scope': '', 'request_id': e.a['gen_ai.response.id'], 'at_ns': e.at_ns,
                'name': e.a['gen_ai.evaluation.name'],
                'value': e.a['gen_ai.evaluation.score.value'], 'label': e.a['gen_ai.evaluation.score.label'],
                'comment': e.a['gen_ai.evaluation.explanation'], 'judge': null::varchar}), []),
            -- annotations.0.annotation.name, trace.evaluations.0.evaluation.name: of the span, its trace or its session.
            list_transform(
                list_distinct(list_transform(
                    list_filter(map_keys(a), lambda k: contains(k, 'annotations.') or contains(k, 'evaluations.')),
                    lambda k: regexp_extract(
                        k, '^((?:trace\.|session\.)?(?:annotation|evaluation)s\.[0-9]+\.(?:annotation|evaluation)\.)', 1)
                )),
                lambda p: {
                    'scope': regexp_extract(p, '^(trace|session)\.', 1), 'request_id': null::varchar, 'at_ns': null::bigint,
                    'name': a[p || 'name'], 'value': a[p || 'score'], 'label': a[p || 'label'],
                    'comment': a[p || 'explanation'], 'judge': a[p || 'annotator_kind']})
        ) as results
    from judged
),

-- Counts as texts; as numbers they are NULL where the text is none, and landing refuses the text.
counted as (
    select
        *,
        {
            'input': try_cast(t.input as bigint), 'cache_read': try_cast(t.cache_read as bigint),
            'cache_write': try_cast(t.cache_write as bigint), 'audio_input': try_cast(t.audio_input as bigint),
            'audio_cached': coalesce(try_cast(t.audio_cached as bigint), 0),
            'image_input': try_cast(t.image_input as bigint),
            'image_cached': coalesce(try_cast(t.image_cached as bigint), 0), 'output': try_cast(t.output as bigint),
            'reasoning': try_cast(t.reasoning as bigint), 'audio_output': try_cast(t.audio_output as bigint),
            'image_output': try_cast(t.image_output as bigint), 'total': try_cast(t.total as bigint)
        } as n,
        case when json_valid(said_parameters) then json_transform(said_parameters, '{
            "model": "VARCHAR", "temperature": "VARCHAR", "top_p": "VARCHAR", "max_tokens": "VARCHAR",
            "max_completion_tokens": "VARCHAR", "max_output_tokens": "VARCHAR"}') end as parameters
    from (
        select
            *,
            coalesce(a['llm.invocation_parameters'], a['embedding.invocation_parameters']) as said_parameters,
            {
                'input': coalesce(a['gen_ai.usage.input_tokens'], a['gen_ai.usage.prompt_tokens'],
                    a['llm.token_count.prompt']),
                'cache_read': coalesce(a['gen_ai.usage.cache_read.input_tokens'], a['gen_ai.usage.cache_read_input_tokens'],
                    a['llm.token_count.prompt_details.cache_read']),
                'cache_write': coalesce(a['gen_ai.usage.cache_write.input_tokens'],
                    a['gen_ai.usage.cache_creation.input_tokens'], a['gen_ai.usage.cache_creation_input_tokens'],
                    a['llm.token_count.prompt_details.cache_write']),
                'audio_input': coalesce(a['gen_ai.usage.audio.input_tokens'], a['llm.token_count.prompt_details.audio']),
                'audio_cached': a['gen_ai.usage.audio.cache_read.input_tokens'],
                'image_input': a['gen_ai.usage.image.input_tokens'],
                'image_cached': a['gen_ai.usage.image.cache_read.input_tokens'],
                'output': coalesce(a['gen_ai.usage.output_tokens'], a['gen_ai.usage.completion_tokens'],
                    a['llm.token_count.completion']),
                'reasoning': coalesce(a['gen_ai.usage.reasoning.output_tokens'], a['gen_ai.usage.reasoning_tokens'],
                    a['llm.token_count.completion_details.reasoning']),
                'audio_output': coalesce(a['gen_ai.usage.audio.output_tokens'],
                    a['llm.token_count.completion_details.audio']),
                'image_output': a['gen_ai.usage.image.output_tokens'],
                'total': coalesce(a['gen_ai.usage.total_tokens'], a['llm.usage.total_tokens'], a['llm.token_count.total'])
            } as t
        from facts
        where span_kind = 'request'
    )
),

classed as (
    select
        *,
        cached > n.input or (cached > 0 and coalesce(beyond in (cached, cached + n.reasoning), false)) as is_cache_outside,
        n.reasoning > n.output or (n.reasoning > 0 and beyond <> cached and beyond in (n.reasoning, cached + n.reasoning))
            as is_reasoning_outside
    from (
        select
            *,
            coalesce(n.cache_read, 0) + coalesce(n.cache_write, 0) as cached,
            n.total - n.input - n.output as beyond
        from counted
    )
),

-- What was asked and what was answered, each as a list of messages {role, text}.
worded as (
    select
        *,
        list_transform(sides, lambda side: case
            when side.json is not null and json_valid(side.json) and starts_with(ltrim(side.json), '[') then list_transform(
                json_transform(side.json, '[{
                    "role": "VARCHAR", "content": "JSON", "parts": "JSON",
                    "message.role": "VARCHAR", "message.content": "JSON", "message.contents": "JSON",
                    "message": {"role": "VARCHAR", "content": "JSON", "contents": "JSON"}}]'),
                lambda m: {
                    'role': coalesce(m.role, m."message.role", m.message.role, side.role),
                    'text': case json_type(coalesce(m.parts, m.content, m."message.content", m.message.content,
                            m."message.contents", m.message.contents))
                        when 'VARCHAR' then coalesce(m.parts, m.content, m."message.content", m.message.content) ->> '$'
                        when 'ARRAY' then array_to_string(list_transform(
                            list_filter(
                                json_transform(
                                    coalesce(m.parts, m.content, m."message.content", m.message.content,
                                        m."message.contents", m.message.contents),
                                    '[{"type": "VARCHAR", "content": "VARCHAR", "text": "VARCHAR", "response": "VARCHAR",
                                    "result": "VARCHAR",
                                    "message_content.type": "VARCHAR", "message_content.text": "VARCHAR"}]'),
                                lambda p: coalesce(p.type, p."message_content.type", '') not in ('reasoning', 'thinking')),
                            lambda p: coalesce(p.content, p.text, p."message_content.text", p.response, p.result)), chr(10))
                    end})
            when side.json is not null then [{'role': side.role, 'text': side.json}]
            when side.prefix is not null then list_transform(
                list_sort(list_distinct(list_transform(
                    list_filter(map_keys(a), lambda k: starts_with(k, side.prefix)),
                    lambda k: try_cast(split_part(k[length(side.prefix) + 1:], '.', 1) as integer)))),
                lambda i: {
                    'role': coalesce(a[side.prefix || i || '.message.role'], a[side.prefix || i || '.role'], side.role),
                    'text': coalesce(
                        a[side.prefix || i || '.message.content'],
                        a[side.prefix || i || '.content'],
                        array_to_string(list_transform(
                            list_filter(map_entries(a), lambda x:
                                starts_with(x.key, side.prefix || i || '.message.contents.')
                                and ends_with(x.key, '.message_content.text')
                                and coalesce(a[x.key[:-5] || 'type'], '') <> 'reasoning'),
                            lambda x: x.value), chr(10)))})
            when len(side.told) > 0 then list_transform(side.told, lambda e: {
                'role': case e.name when 'gen_ai.choice' then 'assistant' else split_part(e.name, '.', 2) end,
                'text': coalesce(
                    e.a['content'],
                    case when json_valid(e.a['message']) then e.a['message'] ->> '$.content' end,
                    case when json_valid(e.a['gen_ai.event.content']) then coalesce(
                        e.a['gen_ai.event.content'] ->> '$.content',
                        e.a['gen_ai.event.content'] ->> '$.message.content') end)})
            when side.whole is not null then [{'role': side.role, 'text': side.whole}]
        end) as said
    from (
        select
            *,
            [
                {
                    'role': 'user',
                    'json': coalesce(a['gen_ai.input.messages'], a['gen_ai.prompt'], a['llm.input_messages']),
                    'prefix': case
                        when a['llm.input_messages.0.message.role'] is not null then 'llm.input_messages.'
                        when coalesce(a['gen_ai.prompt.0.role'], a['gen_ai.prompt.0.content']) is not null
                            then 'gen_ai.prompt.'
                    end,
                    'told': list_filter(
                        events, lambda e: regexp_matches(e.name, '^gen_ai\.(system|user|assistant|tool)\.message$')),
                    'whole': coalesce(a['llm.prompts.0.prompt.text'], a['embedding.embeddings.0.embedding.text'],
                        case when a['input.mime_type'] is distinct from 'application/json' then a['input.value'] end)
                },
                {
                    'role': 'assistant',
                    'json': coalesce(a['gen_ai.output.messages'], a['gen_ai.completion'], a['llm.output_messages']),
                    'prefix': case
                        when a['llm.output_messages.0.message.role'] is not null then 'llm.output_messages.'
                        when coalesce(a['gen_ai.completion.0.role'], a['gen_ai.completion.0.content']) is not null
                            then 'gen_ai.completion.'
                    end,
                    'told': list_filter(events, lambda e: e.name = 'gen_ai.choice'),
                    'whole': coalesce(a['llm.choices.0.completion.text'],
                        case when a['output.mime_type'] is distinct from 'application/json' then a['output.value'] end)
                }
            ] as sides
        from classed
    )
),

ended as (
    select
        *,
        list_filter(said[1], lambda m: coalesce(m.role, '') in ('system', 'developer')) as instructions,
        list_filter(generate_series(1, len(said[1])), lambda i: said[1][i].role in ('user', 'human'))[-1] as newest,
        replace(lower(coalesce(
            case when json_valid(a['gen_ai.response.finish_reasons'])
                then json_transform(a['gen_ai.response.finish_reasons'], '["VARCHAR"]')[1]
                else a['gen_ai.response.finish_reasons'] end,
            a['gen_ai.completion.0.finish_reason'], a['llm.finish_reason'])), '-', '_') as said_finish,
        lower(coalesce(error_type, '')) as error_text,
        lower(a['server.address']) as host
    from worded
),

requests as (
    select
        *,
        case
            when said_finish in ('stop', 'end_turn', 'stop_sequence', 'complete', 'completed') then 'stop'
            when said_finish in ('length', 'max_tokens', 'max_output_tokens', 'model_length') then 'length'
            when said_finish in ('tool_calls', 'tool_call', 'tool_use', 'function_call') then 'tool_calls'
            when said_finish in ('content_filter', 'safety', 'refusal', 'guardrail_intervened', 'content_filtered',
                'prohibited_content', 'blocklist', 'recitation', 'spii') then 'content_filter'
            else said_finish
        end as finish_reason
    from ended
),

-- Documents that a span found: as JSON, as OpenInference's indexed attributes, or as events of a vector store's client.
retrieved as (
    select *, unnest(hits) as hit, generate_subscripts(hits, 1) as rank
    from (
        select
            *,
            case
                when json_valid(said_documents) and starts_with(ltrim(said_documents), '[') then list_transform(
                    json_transform(said_documents, '[{
                        "id": "VARCHAR", "score": "VARCHAR", "content": "VARCHAR",
                        "document.id": "VARCHAR", "document.score": "VARCHAR", "document.content": "VARCHAR",
                        "document.metadata": "VARCHAR",
                        "document": {"id": "VARCHAR", "score": "VARCHAR", "content": "VARCHAR", "metadata": "VARCHAR"}}]'),
                    lambda x: {
                        'id': coalesce(x.id, x."document.id", x.document.id),
                        'score': coalesce(x.score, x."document.score", x.document.score),
                        'text': coalesce(x.content, x."document.content", x.document.content),
                        'metadata': coalesce(x."document.metadata", x.document.metadata)})
                when len(indexes) > 0 then list_transform(indexes, lambda i: {
                    'id': a['retrieval.documents.' || i || '.document.id'],
                    'score': a['retrieval.documents.' || i || '.document.score'],
                    'text': a['retrieval.documents.' || i || '.document.content'],
                    'metadata': a['retrieval.documents.' || i || '.document.metadata']})
                else list_transform(list_filter(events, lambda e: e.name = 'db.query.result'), lambda e: {
                    'id': e.a['db.query.result.id'], 'score': e.a['db.query.result.score'],
                    'text': e.a['db.query.result.document'], 'metadata': null::varchar})
            end as hits
        from (
            select
                *,
                coalesce(a['gen_ai.retrieval.documents'], a['retrieval.documents']) as said_documents,
                list_sort(list_distinct(list_transform(
                    list_filter(map_keys(a), lambda k: starts_with(k, 'retrieval.documents.')),
                    lambda k: try_cast(split_part(k, '.', 3) as integer)))) as indexes
            from facts
            where span_kind = 'retrieval'
        )
    )
),

-- An evaluation speaks of the call on which it stands; on another span, of what its link names, else of that span; of a
-- trace or a session, of no span.
given as (
    select
        *,
        result.scope = '' and span_kind is distinct from 'request' and link_id is not null as is_linked,
        case when is_linked then link_id when result.scope = '' then span_id end as rated_span_id,
        case when is_linked then coalesce(link_trace_id, trace_id) else trace_id end as rated_trace_id
    from (
        select *, unnest(results) as result, generate_subscripts(results, 1) as result_place
        from facts
        where len(results) > 0
    )
),

-- The provider's id of the call is known where its span came in the same document.
calls as (
    select record_number, trace_id, span_id, max(own_request_id) as request_id
    from facts
    where span_kind = 'request'
    group by record_number, trace_id, span_id
)

select
    record_number,
    place * 1000000 as part,
    case when span_kind is null then 'not_a_genai_span' else 'not_a_model_call' end as ignored_reason,
    cast(null as varchar) as mismatch
from facts
where (span_kind is null or span_kind = 'step') and len(results) = 0

union all by name
select
    record_number,
    1 as part,
    case
        when document."resourceSpans" is not null and not contains(raw, '"instrumentationLibrarySpans"') then 'no_spans'
        when document."resourceMetrics" is not null then 'metrics'
        when document."resourceLogs" is not null then 'log_records'
        when document."resourceProfiles" is not null then 'profiles'
    end as ignored_reason,
    case
        when ignored_reason is not null then null
        when contains(raw, '"instrumentationLibrarySpans"')
            then 'resourceSpans[].scopeSpans, which OTLP has in place of instrumentationLibrarySpans'
        when contains(raw, '"resourceSpans"') then 'resourceSpans: a list of objects'
        else 'resourceSpans (an OTLP export) or context.span_id (one span): neither is there'
    end as mismatch
from documents
where
    document.context.span_id is null and document."context.span_id" is null
    and coalesce(list_sum(list_transform(document."resourceSpans", lambda r:
        coalesce(list_sum(list_transform(r."scopeSpans", lambda s: len(s.spans))), 0))), 0) = 0

union all by name
select
    record_number,
    place * 1000000 as part,
    'request' as record_kind,
    own_request_id as request_id,
    unnest(common),
    case
        when host like '%.openai.azure.com' then 'azure.ai.openai'
        when said_provider in ('azure', 'az.ai.openai', 'azure_openai') then 'azure.ai.openai'
        when said_provider = 'az.ai.inference' then 'azure.ai.inference'
        when said_provider in ('aws', 'amazon', 'aws_bedrock', 'bedrock') then 'aws.bedrock'
        when said_provider in ('vertex_ai', 'vertexai') then 'gcp.vertex_ai'
        when said_provider = 'google' and lower(a['llm.system']) = 'vertexai' then 'gcp.vertex_ai'
        when said_provider in ('google', 'gemini', 'gcp.gen_ai') then 'gcp.gemini'
        when said_provider in ('mistralai', 'mistral') then 'mistral_ai'
        when said_provider in ('xai', 'x.ai') then 'x_ai'
        else said_provider
    end as provider,
    coalesce(a['gen_ai.request.model'], a['llm.request.model_name'], parameters.model) as request_model,
    coalesce(a['gen_ai.response.model'], a['llm.response.model_name'], a['llm.model_name'], a['embedding.model_name'])
        as response_model,
    coalesce(
        a['aws.region'],
        nullif(regexp_extract(host, '^bedrock-runtime\.([a-z0-9-]+)\.amazonaws\.com', 1), ''),
        nullif(regexp_extract(host, '^([a-z0-9-]+)-aiplatform\.googleapis\.com', 1), '')
    ) as region,
    coalesce(a['gen_ai.prompt.name'], a['prompt.id']) as prompt_id,
    coalesce(a['gen_ai.prompt.version'], a['llm.prompt_template.version']) as prompt_version,
    coalesce(a['gen_ai.request.temperature'], parameters.temperature) as temperature,
    coalesce(a['gen_ai.request.top_p'], parameters.top_p) as top_p,
    coalesce(a['gen_ai.request.max_tokens'], parameters.max_completion_tokens, parameters.max_output_tokens,
        parameters.max_tokens) as max_output_tokens,
    coalesce(cast(n.input - case when is_cache_outside then 0 else cached end
        - (coalesce(n.audio_input, 0) - n.audio_cached) - (coalesce(n.image_input, 0) - n.image_cached) as varchar), t.input)
        as uncached_input_tokens,
    coalesce(cast(n.cache_read - n.audio_cached as varchar), t.cache_read) as cache_read_tokens,
    t.cache_write as cache_write_5m_tokens,
    coalesce(cast(n.audio_input - n.audio_cached as varchar), t.audio_input) as audio_input_tokens,
    t.audio_cached as audio_cache_read_tokens,
    coalesce(cast(n.image_input - n.image_cached as varchar), t.image_input) as image_input_tokens,
    coalesce(cast(n.output - case when is_reasoning_outside then 0 else coalesce(n.reasoning, 0) end
        - coalesce(n.audio_output, 0) - coalesce(n.image_output, 0) as varchar), t.output) as output_tokens,
    t.reasoning as reasoning_tokens,
    t.audio_output as audio_output_tokens,
    t.image_output as image_output_tokens,
    coalesce(a['openai.response.service_tier'], a['gen_ai.openai.response.service_tier'],
        nullif(coalesce(a['openai.request.service_tier'], a['gen_ai.openai.request.service_tier']), 'auto')) as service_tier,
    coalesce(a['llm.cost.total'], a['gen_ai.usage.cost']) as reported_cost_usd,
    cast(duration_ms as varchar) as latency_ms,
    coalesce(
        -- Nanoseconds are the finest that a tracer knows.
        cast(round(try_cast(a['gen_ai.response.time_to_first_chunk'] as double) * 1000, 6) as varchar),
        cast((list_filter(events, lambda e: e.name = 'First Token Stream Event')[1].at_ns - started_ns) / 1e6 as varchar),
        a['gen_ai.response.time_to_first_chunk']
    ) as time_to_first_token_ms,
    finish_reason,
    case when finish_reason = 'content_filter' then 'block' end as safety_output_verdict,
    case
        when not has_failed and a['error.type'] is null then case when finish_reason = 'content_filter' then 'model' end
        when said_http_status in ('408', '425') then 'infrastructure'
        when said_http_status in ('409', '429') or starts_with(said_http_status, '5') then 'provider'
        when starts_with(said_http_status, '4') then 'client'
        when regexp_matches(error_text, 'content_?(filter|policy)|safety|refus|context_?length|lengthfinish') then 'model'
        when regexp_matches(error_text, 'time_?d?_?out|deadline|connect|network|dns|ssl|socket|cancel') then 'infrastructure'
        when regexp_matches(error_text,
            'rate_?limit|overload|internal_?server|service_?unavailable|throttl|api_?status|server_?error|exhausted|quota')
            then 'provider'
        when regexp_matches(error_text, 'bad_?request|invalid_?(request|argument)|auth|permission|forbidden|access_?denied'
            || '|not_?found|unprocessable|validationexception') then 'client'
        when regexp_matches(error_text, 'json|pars|validation|schema|decode') then 'schema'
        else 'infrastructure'
    end as error_class,
    case when has_failed or a['error.type'] is not null then error_type end as error_code,
    said_http_status as http_status,
    cast(to_json(map_concat(r, map_from_entries(list_filter(map_entries(a), lambda x: not (
        starts_with(x.key, 'gen_ai.') or starts_with(x.key, 'llm.') or starts_with(x.key, 'input.')
        or starts_with(x.key, 'output.') or starts_with(x.key, 'embedding.')
        or contains(x.key, 'annotations.') or contains(x.key, 'evaluations.')))))) as varchar) as attributes,
    nullif(concat_ws(chr(10),
        case when json_valid(a['gen_ai.system_instructions']) then coalesce(
            array_to_string(list_transform(json_transform(a['gen_ai.system_instructions'], '[{"content": "VARCHAR"}]'),
                lambda p: p.content), chr(10)),
            a['gen_ai.system_instructions'] ->> '$')
        else a['gen_ai.system_instructions'] end,
        nullif(array_to_string(list_transform(instructions, lambda m: m.text), chr(10)), '')), '') as system_text,
    nullif(array_to_string(list_transform(
        list_filter(said[1], lambda m, i: i is distinct from newest and coalesce(m.role, '') not in ('system', 'developer')),
        lambda m: m.text), chr(10)), '') as history_text,
    said[1][newest].text as prompt_text,
    nullif(array_to_string(list_transform(said[2], lambda m: m.text), chr(10)), '') as output_text
from requests

union all by name
select
    record_number,
    place * 1000000 as part,
    'tool_call' as record_kind,
    coalesce(a['gen_ai.tool.call.id'], a['tool.id'], a['tool_call.id'], span_id) as record_id,
    a['gen_ai.response.id'] as request_id,
    unnest(common),
    coalesce(a['gen_ai.tool.name'], a['tool.name'], a['tool_call.function.name'], a['traceloop.entity.name']) as tool_name,
    case
        when not has_failed and a['error.type'] is null then 'ok'
        when regexp_matches(lower(error_type), 'time_?d?_?out|deadline') then 'timeout'
        when regexp_matches(lower(error_type), 'cancel') then 'cancelled'
        else 'error'
    end as tool_status,
    cast(duration_ms as varchar) as latency_ms,
    case when has_failed or a['error.type'] is not null then error_type end as error_code,
    coalesce(a['gen_ai.tool.call.arguments'], a['tool_call.function.arguments'], a['input.value'],
        a['traceloop.entity.input']) as arguments_text,
    coalesce(a['gen_ai.tool.call.result'], a['output.value'], a['traceloop.entity.output']) as result_text
from facts
where span_kind = 'tool_call'

union all by name
select
    record_number,
    place * 1000000 + rank as part,
    'retrieval' as record_kind,
    case when document_id is null then 'document_without_id' end as ignored_reason,
    span_id || ':' || rank as record_id,
    a['gen_ai.response.id'] as request_id,
    unnest(common),
    cast(duration_ms as varchar) as latency_ms,
    document_id,
    cast(rank as varchar) as document_rank,
    hit.score as retrieval_score,
    hit.text as document_text
from (
    select
        *,
        coalesce(hit.id, case when json_valid(hit.metadata) then coalesce(
            hit.metadata ->> '$.document_id', hit.metadata ->> '$.doc_id', hit.metadata ->> '$.chunk_id',
            hit.metadata ->> '$.id', hit.metadata ->> '$.source') end) as document_id
    from retrieved
)

union all by name
select record_number, place * 1000000 as part, 'no_documents' as ignored_reason
from facts
where span_kind = 'retrieval' and (record_number, place) not in (select (record_number, place) from retrieved)

union all by name
select
    given.record_number,
    place * 1000000 + 500000 + result_place as part,
    'feedback' as record_kind,
    given.span_id || ':' || result_place as record_id,
    coalesce(result.request_id, calls.request_id) as request_id,
    unnest(struct_update(
        common, ts := coalesce(cast(result.at_ns as varchar), started), trace_id := rated_trace_id, parent_id := rated_span_id
    )),
    case when result.value is null and result.label is null then 'comment' else 'rating' end as feedback_kind,
    result.name as feedback_name,
    result.value as feedback_value,
    result.label as feedback_label,
    case result.judge when 'HUMAN' then 'annotator' when 'LLM' then 'model' when 'CODE' then 'system' end as feedback_by,
    result.comment as comment_text
from given
left join calls
    on given.record_number = calls.record_number
    and given.rated_span_id = calls.span_id
    and given.rated_trace_id is not distinct from calls.trace_id
