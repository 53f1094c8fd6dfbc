-- One row per generation and embedding (requests), tool observation, document of a retriever, score and correction of
-- Langfuse; what else a trace holds is ignored by its type. JSON, JSON Lines or Parquet: a document is an observation, a
-- score or a trace of the blob storage export, the UI or the API, under camelCase or snake_case names, or a trace with its
-- observations and scores inside. Read against Langfuse of August 2026 and the field reference of its export.
--
-- Langfuse holds the keys of usage_details to be parts that do not overlap, and its own integrations write them so. What is
-- written by hand, and dotted keys such as `prompt_details.cache_read`, may lie within `input` and `output`; then `total`
-- says so, because it is smaller than the sum of all. The exported `latency` is not read: its unit differs by age.
with documents as (
    select
        record_number,
        raw,
        case when contains(raw, '"observations"') then from_json(raw, '{
            "trace": "VARCHAR", "timestamp": "VARCHAR", "observations": ["VARCHAR"], "scores": ["VARCHAR"]
        }') end as d
    from records
),

trees as (
    select
        record_number,
        coalesce(d.trace, raw) as trace,
        from_json(coalesce(d.trace, raw), '{"scores": ["VARCHAR"], "corrections": ["VARCHAR"]}') as said,
        d.observations as observations
    from documents
    where d.observations is not null
),

gathered as (
    select
        record_number,
        trace,
        -- The API's list of traces names observations and scores by their ids only.
        list_prepend(trace, list_filter(
            list_concat(observations, said.scores, said.corrections), lambda item: starts_with(item, '{')
        )) as members
    from trees
),

items as (
    select record_number, trace, unnest(members) as item, generate_subscripts(members, 1) as place
    from gathered
    union all
    select record_number, null, raw, 1
    from documents
    where d.observations is null
),

parsed as (
    select
        record_number,
        place,
        from_json(item, '{
            "id": "VARCHAR", "type": "VARCHAR", "name": "VARCHAR", "environment": "VARCHAR", "level": "VARCHAR",
            "version": "VARCHAR", "release": "VARCHAR", "timestamp": "VARCHAR", "metadata": "VARCHAR", "model": "VARCHAR",
            "input": "VARCHAR", "output": "VARCHAR", "tags": "VARCHAR", "bookmarked": "VARCHAR", "public": "VARCHAR",
            "traceId": "VARCHAR", "trace_id": "VARCHAR", "traceName": "VARCHAR", "trace_name": "VARCHAR",
            "parentObservationId": "VARCHAR", "parent_observation_id": "VARCHAR",
            "startTime": "VARCHAR", "start_time": "VARCHAR", "endTime": "VARCHAR", "end_time": "VARCHAR",
            "completionStartTime": "VARCHAR", "completion_start_time": "VARCHAR",
            "statusMessage": "VARCHAR", "status_message": "VARCHAR",
            "providedModelName": "VARCHAR", "provided_model_name": "VARCHAR",
            "modelParameters": "VARCHAR", "model_parameters": "VARCHAR",
            "usageDetails": "VARCHAR", "usage_details": "VARCHAR", "costDetails": "VARCHAR", "cost_details": "VARCHAR",
            "promptName": "VARCHAR", "prompt_name": "VARCHAR", "promptVersion": "VARCHAR", "prompt_version": "VARCHAR",
            "usagePricingTierName": "VARCHAR", "usage_pricing_tier_name": "VARCHAR",
            "userId": "VARCHAR", "user_id": "VARCHAR", "sessionId": "VARCHAR", "session_id": "VARCHAR",
            "dataType": "VARCHAR", "data_type": "VARCHAR", "value": "VARCHAR", "source": "VARCHAR", "comment": "VARCHAR",
            "stringValue": "VARCHAR", "string_value": "VARCHAR", "longStringValue": "VARCHAR",
            "long_string_value": "VARCHAR", "observationId": "VARCHAR", "observation_id": "VARCHAR"
        }') as o,
        from_json(trace, '{
            "id": "VARCHAR", "name": "VARCHAR", "userId": "VARCHAR", "user_id": "VARCHAR", "sessionId": "VARCHAR",
            "session_id": "VARCHAR", "release": "VARCHAR", "environment": "VARCHAR"
        }') as t
    from items
),

named as (
    select
        record_number,
        place,
        o.id as id,
        upper(o.type) as observation_type,
        upper(coalesce(o."dataType", o.data_type)) as score_type,
        o.name as name,
        o.value as score_value,
        o.source as score_source,
        o.comment as score_comment,
        coalesce(
            nullif(o."longStringValue", ''), nullif(o.long_string_value, ''), o."stringValue", o.string_value
        ) as score_words,
        coalesce(o."observationId", o.observation_id) as scored_observation,
        -- A trace alone has no type; these it always has.
        o.type is null and o.timestamp is not null and coalesce(o.bookmarked, o.public, o.tags) is not null as is_trace,
        coalesce(o."startTime", o.start_time, o.timestamp) as ts,
        coalesce(o."endTime", o.end_time) as end_time,
        coalesce(o."completionStartTime", o.completion_start_time) as first_token_time,
        coalesce(o."traceId", o.trace_id, t.id) as trace_id,
        nullif(coalesce(o."parentObservationId", o.parent_observation_id), '') as parent_id,
        coalesce(o."userId", o.user_id, t."userId", t.user_id) as user_id,
        coalesce(o."sessionId", o.session_id, t."sessionId", t.session_id) as conversation_id,
        coalesce(nullif(o.environment, ''), t.environment) as environment,
        coalesce(nullif(o.release, ''), t.release) as deployment,
        coalesce(nullif(o.model, ''), o."providedModelName", o.provided_model_name) as model,
        coalesce(o."promptName", o.prompt_name) as prompt_id,
        coalesce(o."promptVersion", o.prompt_version) as prompt_version,
        o.level = 'ERROR' as is_failure,
        coalesce(o."statusMessage", o.status_message) as status_message,
        coalesce(o."usagePricingTierName", o.usage_pricing_tier_name) as pricing_tier,
        coalesce(o."traceName", o.trace_name, t.name) as trace_name,
        o.version as version,
        o.tags as tags,
        coalesce(o."usageDetails", o.usage_details) as usage_text,
        coalesce(o."costDetails", o.cost_details) as cost_text,
        coalesce(o."modelParameters", o.model_parameters) as parameter_text,
        if(json_valid(o.metadata), o.metadata, null) as metadata,
        case
            when upper(o.type) in ('GENERATION', 'EMBEDDING') then 'request'
            when upper(o.type) = 'TOOL' then 'tool_call'
            when upper(o.type) = 'RETRIEVER' then 'retrieval'
            when coalesce(o."dataType", o.data_type) is not null and o.value is not null then 'feedback'
        end as record_kind,
        o.input as input,
        o.output as output,
        case when upper(o.type) in ('GENERATION', 'EMBEDDING') and json_valid(o.input) then cast(o.input as json) end
            as input_json,
        case when upper(o.type) in ('GENERATION', 'EMBEDDING', 'RETRIEVER') and json_valid(o.output)
            then cast(o.output as json) end as output_json
    from parsed
),

opened as (
    select
        *,
        from_json(if(json_valid(usage_text), usage_text, null), '{
            "total": "BIGINT", "input": "BIGINT", "input_tokens": "BIGINT", "input_text_tokens": "BIGINT",
            "input_text": "BIGINT", "prompt_token_count": "BIGINT", "promptTokenCount": "BIGINT",
            "input_cached_tokens": "BIGINT", "input_cache_read": "BIGINT", "cache_read_input_tokens": "BIGINT",
            "input_cached_text_tokens": "BIGINT", "prompt_details.cache_read": "BIGINT",
            "cached_content_token_count": "BIGINT", "input_cache_creation": "BIGINT",
            "cache_creation_input_tokens": "BIGINT",
            "input_cache_write": "BIGINT", "cache_write_tokens": "BIGINT", "prompt_details.cache_write": "BIGINT",
            "input_cache_creation_5m": "BIGINT", "input_cache_creation_1h": "BIGINT",
            "input_audio_tokens": "BIGINT", "input_audio": "BIGINT", "prompt_details.audio": "BIGINT",
            "input_cached_audio_tokens": "BIGINT", "input_image": "BIGINT",
            "output": "BIGINT", "output_tokens": "BIGINT", "output_text_tokens": "BIGINT", "output_text": "BIGINT",
            "candidates_token_count": "BIGINT", "candidatesTokenCount": "BIGINT",
            "output_reasoning_tokens": "BIGINT", "output_reasoning": "BIGINT", "reasoning_tokens": "BIGINT",
            "completion_details.reasoning": "BIGINT", "thoughts_token_count": "BIGINT", "thoughtsTokenCount": "BIGINT",
            "output_audio_tokens": "BIGINT", "output_audio": "BIGINT", "completion_details.audio": "BIGINT"
        }') as u,
        from_json(if(json_valid(parameter_text), parameter_text, null), '{
            "temperature": "VARCHAR", "top_p": "VARCHAR", "max_tokens": "VARCHAR", "max_completion_tokens": "VARCHAR",
            "max_output_tokens": "VARCHAR"
        }') as p,
        -- OpenTelemetry's attributes lie in the metadata, as an object or as the text of one, or are the metadata.
        from_json(coalesce(
            if(json_type(metadata, '$.attributes') = 'OBJECT', metadata -> '$.attributes', null),
            if(json_valid(metadata ->> '$.attributes'), metadata ->> '$.attributes', null),
            metadata
        ), '{
            "gen_ai.response.id": "VARCHAR", "gen_ai.response.model": "VARCHAR", "gen_ai.request.model": "VARCHAR",
            "gen_ai.provider.name": "VARCHAR", "gen_ai.system": "VARCHAR", "llm.provider": "VARCHAR",
            "gen_ai.response.finish_reasons": "VARCHAR", "gen_ai.tool.name": "VARCHAR",
            "gen_ai.openai.response.service_tier": "VARCHAR", "openai.response.service_tier": "VARCHAR",
            "ai.model.provider": "VARCHAR", "ai.response.id": "VARCHAR", "ai.response.model": "VARCHAR",
            "ai.response.finishReason": "VARCHAR", "ls_provider": "VARCHAR", "user.id": "VARCHAR", "session.id": "VARCHAR",
            "feature": "VARCHAR", "tenant": "VARCHAR", "team": "VARCHAR"
        }') as a
    from named
),

counted as (
    select
        * replace (
            coalesce(nullif(user_id, ''), a."user.id") as user_id,
            coalesce(nullif(conversation_id, ''), a."session.id") as conversation_id
        ),
        a.tenant as tenant,
        a.team as team,
        a.feature as feature,
        coalesce(
            u.input, u.input_tokens, u.input_text_tokens, u.input_text, u.prompt_token_count, u."promptTokenCount"
        ) as tokens_in,
        coalesce(
            u.output, u.output_tokens, u.output_text_tokens, u.output_text, u.candidates_token_count,
            u."candidatesTokenCount"
        ) as tokens_out,
        -- The same number may stand under several of these names.
        greatest(
            u.input_cached_tokens, u.input_cache_read, u.cache_read_input_tokens, u.input_cached_text_tokens,
            u."prompt_details.cache_read", u.cached_content_token_count
        ) as cache_read_tokens,
        greatest(
            u.input_cache_creation, u.cache_creation_input_tokens, u.input_cache_write, u.cache_write_tokens,
            u."prompt_details.cache_write"
        ) as cache_write_tokens,
        u.input_cache_creation_5m as cache_write_5m_tokens,
        u.input_cache_creation_1h as cache_write_1h_tokens,
        greatest(u.input_audio_tokens, u.input_audio, u."prompt_details.audio") as audio_input_tokens,
        u.input_cached_audio_tokens as audio_cache_read_tokens,
        u.input_image as image_input_tokens,
        greatest(
            u.output_reasoning_tokens, u.output_reasoning, u.reasoning_tokens, u."completion_details.reasoning",
            u.thoughts_token_count, u."thoughtsTokenCount"
        ) as reasoning_tokens,
        greatest(u.output_audio_tokens, u.output_audio, u."completion_details.audio") as audio_output_tokens,
        coalesce(cache_read_tokens, 0) + coalesce(cache_write_tokens, 0) + coalesce(cache_write_5m_tokens, 0)
            + coalesce(cache_write_1h_tokens, 0) + coalesce(audio_input_tokens, 0) + coalesce(audio_cache_read_tokens, 0)
            + coalesce(image_input_tokens, 0) as parts_in,
        coalesce(reasoning_tokens, 0) + coalesce(audio_output_tokens, 0) as parts_out,
        u.total - coalesce(tokens_in, 0) - coalesce(tokens_out, 0) as beside,
        -- Whether the parts lie within input and output, by the total; where that fits neither way, by the kind of key.
        case
            when parts_in = 0 or beside in (parts_in, parts_in + parts_out) then false
            when beside in (0, parts_out) then true
            else coalesce(u."prompt_details.cache_read", u."prompt_details.audio", u.prompt_token_count) is not null
        end as is_within_input,
        case
            when parts_out = 0 or beside in (parts_out, parts_in + parts_out) then false
            when beside in (0, parts_in) then true
            else coalesce(u."completion_details.reasoning", u."completion_details.audio") is not null
        end as is_within_output
    from opened
),

sorted as (
    select
        *,
        -- LiteLLM puts the provider's id behind the time.
        coalesce(
            a."gen_ai.response.id", a."ai.response.id",
            if(output_json ->> '$.object' in ('chat.completion', 'response'), output_json ->> '$.id', null),
            nullif(regexp_extract(id, '^time-[0-9-]+_(.+)$', 1), ''), id
        ) as provider_id,
        lower(coalesce(
            a."gen_ai.provider.name", a."gen_ai.system", a."llm.provider", a.ls_provider, a."ai.model.provider"
        )) as system_name,
        lower(status_message) as fault,
        try_cast(regexp_extract(
            lower(status_message), '(error code|status code|status|http)[: =]*([45][0-9][0-9])', 2
        ) as integer) as fault_status,
        coalesce(
            case json_type(input_json)
                when 'ARRAY' then from_json(input_json, '["JSON"]')
                when 'OBJECT' then from_json(coalesce(
                    input_json -> '$.messages', input_json -> '$.contents', input_json -> '$.input'
                ), '["JSON"]')
            end,
            if(json_exists(input_json, '$.role'), [input_json], null)
        ) as messages_in,
        case json_type(output_json)
            when 'ARRAY' then from_json(output_json, '["JSON"]')
            when 'OBJECT' then case
                when json_exists(output_json, '$.choices[0]') then output_json -> '$.choices[*].message'
                when json_exists(output_json, '$.candidates[0]') then output_json -> '$.candidates[*].content'
                when json_exists(output_json, '$.output[0]') then output_json -> '$.output[*]'
                when json_exists(output_json, '$.message') then [output_json -> '$.message']
                else [output_json]
            end
        end as messages_out,
        if(record_kind = 'retrieval', from_json(case json_type(output_json)
            when 'ARRAY' then output_json
            when 'OBJECT' then coalesce(
                output_json -> '$.documents', output_json -> '$.results', output_json -> '$.matches', output_json -> '$.data'
            )
        end, '["JSON"]'), null) as found
    from counted
),

calls as (
    select record_number, id, provider_id
    from sorted
    where record_kind = 'request' and place > 1
),

worded as (
    select
        sorted.*,
        -- A score names an observation; the request goes by the provider's id, which is known where both came together.
        coalesce(calls.provider_id, nullif(regexp_extract(scored_observation, '^time-[0-9-]+_(.+)$', 1), '')) as scored_id,
        list_filter(list_transform(messages_in, lambda m: {
            'role': lower(m ->> '$.role'),
            'words': case json_type(coalesce(m -> '$.content', m -> '$.parts'))
                when 'VARCHAR' then m ->> '$.content'
                when 'OBJECT' then m ->> '$.content.text'
                when 'ARRAY' then array_to_string(list_concat(
                    coalesce(m -> '$.content', m -> '$.parts') ->> '$[*].text',
                    coalesce(m -> '$.content', m -> '$.parts') ->> '$[*].content'
                ), chr(10))
            end
        }), lambda m: m.words <> '') as asked,
        array_to_string(list_transform(messages_out, lambda m:
            case json_type(coalesce(m -> '$.content', m -> '$.parts'))
                when 'VARCHAR' then m ->> '$.content'
                when 'OBJECT' then m ->> '$.content.text'
                when 'ARRAY' then array_to_string(list_concat(
                    coalesce(m -> '$.content', m -> '$.parts') ->> '$[*].text',
                    coalesce(m -> '$.content', m -> '$.parts') ->> '$[*].content'
                ), chr(10))
            end
        ), chr(10)) as answered,
        len(asked) + 1 - list_position(list_reverse(list_transform(asked, lambda m: m.role in ('user', 'human'))), true)
            as newest,
        lower(coalesce(
            from_json(
                if(json_valid(a."gen_ai.response.finish_reasons"), a."gen_ai.response.finish_reasons", null), '["VARCHAR"]'
            )[1],
            a."gen_ai.response.finish_reasons", a."ai.response.finishReason",
            output_json ->> '$.choices[0].finish_reason', output_json ->> '$.finish_reason',
            output_json ->> '$[0].finish_reason'
        )) as finish_reason
    from sorted
    left join calls on calls.record_number = sorted.record_number and calls.id = sorted.scored_observation
),

yielded as (
    select
        record_number,
        place as part,
        coalesce(record_kind, 'request') as record_kind,
        case
            when record_kind = 'retrieval' then 'retriever_without_documents'
            when record_kind is not null then null
            when is_trace then 'trace'
            else nullif(regexp_replace(lower(observation_type), '[^a-z_]', '_', 'g'), '')
        end as ignored_reason,
        case when record_kind is null and not is_trace and observation_type is null then
            'type, the type of a Langfuse observation such as GENERATION; or data_type and value of a score; or a trace'
        end as mismatch,
        ts, trace_id, id as span_id, if(record_kind = 'feedback', nullif(scored_observation, ''), parent_id) as parent_id,
        conversation_id, user_id, tenant, team, feature, environment, deployment,
        case when record_kind = 'request' then provider_id when record_kind = 'feedback' then scored_id end as request_id,
        if(record_kind = 'request', null, id) as record_id,
        prompt_id, prompt_version,
        case
            when system_name in ('google', 'google-gla', 'google.generative-ai', 'gemini') then 'gcp.gemini'
            when system_name in (
                'google-vertex', 'google_vertexai', 'vertexai', 'vertex_ai', 'gcp.vertex.agent', 'google.vertex.chat'
            ) then 'gcp.vertex_ai'
            when system_name in ('azure', 'azure_openai', 'az.ai.openai') then 'azure.ai.openai'
            when system_name in ('bedrock', 'aws_bedrock', 'amazon-bedrock', 'amazon_bedrock') then 'aws.bedrock'
            when system_name in ('mistral', 'mistralai') then 'mistral_ai'
            when system_name = 'xai' then 'x_ai'
            -- A framework is no provider.
            when system_name in ('langchain', 'langgraph', 'litellm') then null
            -- The Vercel AI SDK names the interface too: openai.responses, anthropic.messages.
            when regexp_matches(system_name, '^(openai|anthropic|mistral|cohere|groq|xai|deepseek|perplexity)[.]')
                then split_part(system_name, '.', 1)
            else system_name
        end as provider,
        regexp_replace(coalesce(nullif(model, ''), a."gen_ai.request.model"), '^projects/.*/models/', '') as request_model,
        coalesce(a."gen_ai.response.model", a."ai.response.model") as response_model,
        -- SDKs write these words where nobody said anything.
        if(p.temperature in ('null', 'None'), null, p.temperature) as temperature,
        if(p.top_p in ('null', 'None'), null, p.top_p) as top_p,
        list_filter(
            [p.max_completion_tokens, p.max_tokens, p.max_output_tokens],
            lambda cap: cap not in ('null', 'None', '-1', 'Infinity', 'inf')
        )[1] as max_output_tokens,
        tokens_in - if(is_within_input, parts_in, 0) as uncached_input_tokens,
        cache_read_tokens,
        if(cache_write_tokens is null, cache_write_5m_tokens, cache_write_tokens + coalesce(cache_write_5m_tokens, 0))
            as cache_write_5m_tokens,
        cache_write_1h_tokens, audio_input_tokens, audio_cache_read_tokens, image_input_tokens,
        tokens_out - if(is_within_output, parts_out, 0) as output_tokens,
        reasoning_tokens, audio_output_tokens,
        coalesce(
            a."openai.response.service_tier", a."gen_ai.openai.response.service_tier",
            if(starts_with(pricing_tier, 'Flex'), 'flex', null)
        ) as service_tier,
        if(record_kind = 'request', if(json_valid(cost_text), cost_text ->> '$.total', null), null) as reported_cost_usd,
        try(epoch_us(try_cast(end_time as timestamptz) - try_cast(ts as timestamptz))) / 1000 as latency_ms,
        try(epoch_us(try_cast(first_token_time as timestamptz) - try_cast(ts as timestamptz))) / 1000 as time_to_first_token_ms,
        if(record_kind = 'request' and end_time is null, 'false', null) as is_complete,
        case
            when record_kind is distinct from 'request' then null
            when is_failure then 'error'
            when finish_reason in ('end_turn', 'stop_sequence') then 'stop'
            when finish_reason in ('max_tokens', 'max_output_tokens') then 'length'
            when finish_reason in ('tool_use', 'tool-calls', 'tool_call') then 'tool_calls'
            when finish_reason = 'content-filter' then 'content_filter'
            else finish_reason
        end as finish_reason,
        case
            when record_kind is distinct from 'request' or is_failure is distinct from true then null
            when regexp_matches(fault, 'content.?(filter|policy|management)|context.?(length|window)|guardrail') then 'model'
            when regexp_matches(fault, 'pars(e|ing)|validation|schema') then 'schema'
            when fault_status in (408, 425) then 'infrastructure'
            when fault_status in (409, 429) or fault_status >= 500
                or regexp_matches(fault, 'rate.?limit|overload|internal.?server.?error|service.?unavailable') then 'provider'
            when fault_status between 400 and 499
                or regexp_matches(fault, 'invalid.?request|bad.?request|authentication.?error|permission.?denied') then 'client'
            else 'infrastructure'
        end as error_class,
        -- A sentence is no code, and may quote the prompt.
        if(is_failure, coalesce(
            nullif(regexp_extract(status_message, '^([A-Za-z_.]+(Error|Exception|Timeout))', 1), ''),
            if(regexp_full_match(status_message, '[A-Za-z0-9_.:-]{1,64}'), status_message, null)
        ), null) as error_code,
        if(is_failure, fault_status, null) as http_status,
        json_merge_patch(
            if(json_type(metadata) = 'OBJECT', metadata, '{}'),
            json_object(
                'name', name, 'trace_name', trace_name, 'version', version, 'tags', tags,
                'usage_pricing_tier_name', pricing_tier
            )
        ) as attributes,
        if(record_kind = 'tool_call', coalesce(a."gen_ai.tool.name", name), null) as tool_name,
        case
            when record_kind is distinct from 'tool_call' then null
            when is_failure then if(regexp_matches(fault, 'time.?out|timed out'), 'timeout', 'error')
            when end_time is not null then 'ok'
        end as tool_status,
        case when record_kind = 'feedback' then
            case score_type when 'CORRECTION' then 'correction' when 'TEXT' then 'comment' else 'rating' end
        end as feedback_kind,
        if(record_kind = 'feedback', name, null) as feedback_name,
        -- Of a category this is its place in a list, of a text always 0.
        if(score_type in ('NUMERIC', 'BOOLEAN'), score_value, null) as feedback_value,
        if(score_type = 'CATEGORICAL', score_words, null) as feedback_label,
        case score_source when 'ANNOTATION' then 'annotator' when 'EVAL' then 'model' end as feedback_by,
        array_to_string(list_transform(
            list_filter(asked, lambda m: m.role in ('system', 'developer')), lambda m: m.words
        ), chr(10)) as system_text,
        array_to_string(list_transform(
            list_filter(asked, lambda m, i: m.role not in ('system', 'developer') and i <> coalesce(newest, 0)),
            lambda m: m.words
        ), chr(10)) as history_text,
        if(record_kind = 'request', coalesce(asked[newest].words, input), null) as prompt_text,
        if(record_kind = 'request', coalesce(nullif(answered, ''), output), null) as output_text,
        if(record_kind = 'tool_call', input, null) as arguments_text,
        if(record_kind = 'tool_call', output, null) as result_text,
        case when record_kind = 'feedback'
            then concat_ws(chr(10), if(score_type = 'TEXT', score_words, null), score_comment) end as comment_text,
        if(score_type = 'CORRECTION', score_words, null) as correction_text
    from worded
    where record_kind is distinct from 'retrieval' or coalesce(len(found), 0) = 0

    union all by name

    select
        record_number,
        -- Behind all items of the document, but for the first.
        place + 1000000 * (document_rank - 1) as part,
        'retrieval' as record_kind,
        ts, trace_id, id as span_id, parent_id, conversation_id, user_id, tenant, team, feature, environment,
        id as record_id,
        try(epoch_us(try_cast(end_time as timestamptz) - try_cast(ts as timestamptz))) / 1000 as latency_ms,
        coalesce(
            document ->> '$.id', document ->> '$.document_id', document ->> '$.document.id', document ->> '$.metadata.id',
            document ->> '$.metadata.document_id', document ->> '$.metadata.source'
        ) as document_id,
        document_rank,
        coalesce(document ->> '$.score', document ->> '$.document.score', document ->> '$.metadata.score')
            as retrieval_score,
        coalesce(
            document ->> '$.page_content', document ->> '$.content', document ->> '$.text', document ->> '$.document.content'
        ) as document_text
    from (select *, unnest(found) as document, generate_subscripts(found, 1) as document_rank from worded) as documents_found
)

select record_number, part, cast(columns(* exclude (record_number, part)) as varchar)
from yielded
