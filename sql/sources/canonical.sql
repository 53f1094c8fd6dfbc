-- One row per record of a JSON Lines file whose keys are the columns of the landed contract, under their source names.
--
-- $structure is the contract's list of those names, each as text: a new column needs no change here. Of a key that
-- stands twice in one object, the first counts. Unknown keys are left out.
-- A request may hold lists of `retrievals`, `tool_calls` and `feedback`: each element is a record of its own, and takes
-- from its request what it does not say itself.
with lists as (
    select
        record_number,
        json_transform(raw, $structure) as request,
        unnest([
            {'place': 1, 'kind': 'retrieval', 'name': 'retrievals', 'list': raw -> '$.retrievals'},
            {'place': 2, 'kind': 'tool_call', 'name': 'tool_calls', 'list': raw -> '$.tool_calls'},
            {'place': 3, 'kind': 'feedback', 'name': 'feedback', 'list': raw -> '$.feedback'}
        ], max_depth := 2)
    from records
    where regexp_matches(raw, '"(retrievals|tool_calls|feedback)"')
),

-- An element takes nothing along that is as long as its list: there may be ten thousand of them.
elements as (
    select record_number, request, place, kind, name, is_list, unnest(items) as element,
        generate_subscripts(items, 1) as position
    from (
        -- What is no list is one element, and then no object.
        select
            record_number, request, place, kind, name, json_type(list) = 'ARRAY' as is_list,
            case json_type(list) when 'ARRAY' then list -> '$[*]' else [list] end as items
        from lists
        where json_type(list) <> 'NULL'
    )
),

parts as (
    select
        *,
        cast(place as bigint) * 1000000000 + position as part,
        is_list and json_type(element) = 'OBJECT' as is_record,
        json_transform(element, $structure) as own
    from elements
)

select record_number, 1 as part, cast(null as varchar) as mismatch, unnest(json_transform(raw, $structure))
from records
union all by name
select
    record_number,
    part,
    case when not is_record then name || ': a list of objects' end as mismatch,
    kind as record_kind,
    own.record_id,
    coalesce(own.ts, request.ts) as ts,
    coalesce(own.request_id, request.request_id, made_id(record_number)) as request_id,
    coalesce(own.trace_id, request.trace_id) as trace_id,
    own.parent_id,
    coalesce(own.conversation_id, request.conversation_id) as conversation_id,
    coalesce(own.user_id, request.user_id) as user_id,
    coalesce(own.tenant, request.tenant) as tenant,
    coalesce(own.team, request.team) as team,
    coalesce(own.feature, request.feature) as feature,
    coalesce(own.environment, request.environment) as environment,
    coalesce(own.index_version, request.index_version) as index_version,
    coalesce(own.embedder_version, request.embedder_version) as embedder_version,
    coalesce(own.may_store_text, request.may_store_text) as may_store_text,
    coalesce(own.may_label, request.may_label) as may_label,
    coalesce(own.may_train, request.may_train) as may_train,
    own.is_complete,
    own.document_id,
    own.document_version,
    coalesce(own.document_rank, case when kind = 'retrieval' then cast(position as varchar) end) as document_rank,
    own.retrieval_score,
    own.is_cited,
    own.document_text,
    own.tool_name,
    own.tool_decision,
    own.approver_id,
    own.side_effect,
    own.tool_status,
    own.latency_ms,
    own.error_class,
    own.error_code,
    own.arguments_text,
    own.result_text,
    own.feedback_kind,
    own.feedback_name,
    own.feedback_value,
    own.feedback_unit,
    own.feedback_label,
    own.feedback_by,
    own.comment_text,
    own.correction_text
from parts
