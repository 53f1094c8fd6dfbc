-- One thing that was said about a request, in its best delivery, with the day of the request.
with records as (
    select
        day,
        file_id,
        record_number,
        record_digest,
        arrived_at,
        is_complete,
        coalesce(request_id, trace_id, source) as belongs_to,
        coalesce(record_id, record_digest) as record_id
    from logs.landed
    where record_kind = 'feedback'
),

versions as (
    select
        *,
        -- An exact re-delivery is no new version, as in logs.requests.
        row_number() over (
            partition by belongs_to, record_id, record_digest
            order by arrived_at nulls last, file_id nulls last, record_number nulls last
        ) as delivery
    from records
),

winners as (
    select day, file_id, record_number, record_id
    from (
        select
            day,
            file_id,
            record_number,
            record_id,
            row_number() over (
                partition by belongs_to, record_id
                order by case when is_complete = false then 1 else 0 end, arrived_at desc, file_id desc, record_number desc
            ) as place
        from versions
        where delivery = 1
    ) as ranked
    where place = 1 and day = cast($day as date)
),

said as (
    select landed.file_id, landed.record_number, landed.request_id, landed.trace_id, landed.parent_id
    from logs.landed as landed
    inner join winners
        on landed.file_id = winners.file_id and landed.record_number = winners.record_number
    where landed.day = cast($day as date)
),

by_request as (
    -- An id that was used again on another day means the newest request.
    select said.file_id, said.record_number, max(asked.day) as request_day
    from said
    inner join logs.request_days as asked
        on said.request_id = asked.request_id
    group by said.file_id, said.record_number
),

by_span as (
    -- Some logs know what was rated only as a span, and some call that span the request. A span of several requests is none.
    select
        named.file_id,
        named.record_number,
        max(asked.request_id) as request_id,
        max(asked.day) as request_day
    from (
        select file_id, record_number, trace_id, parent_id as span_id
        from said
        union all
        select file_id, record_number, trace_id, request_id
        from said
    ) as named
    inner join logs.request_days as asked
        on named.span_id = asked.span_id
        and (named.trace_id = asked.trace_id or named.trace_id is null or asked.trace_id is null)
    group by named.file_id, named.record_number
    having count(distinct asked.request_id) = 1
),

by_trace as (
    select
        said.file_id,
        said.record_number,
        -- The request that is meant: the only one, else the only root. NULL where it is a matter of opinion.
        case
            when count(*) = 1 then max(asked.request_id)
            when count_if(asked.is_root) = 1 then max(case when asked.is_root then asked.request_id end)
        end as request_id,
        case when count_if(asked.is_root) = 1 then max(case when asked.is_root then asked.day end) else max(asked.day) end
            as request_day
    from said
    inner join logs.request_days as asked
        on said.trace_id = asked.trace_id
    group by said.file_id, said.record_number
)

select
    cast(landed.day as date) as day,
    cast(landed.file_id as string) as file_id,
    cast(landed.record_number as bigint) as record_number,
    cast(landed.source as string) as source,
    cast(landed.arrived_at as timestamp with time zone) as arrived_at,
    cast(landed.ts as timestamp with time zone) as ts,
    cast(
        case
            when by_request.request_day is not null then landed.request_id
            else coalesce(by_span.request_id, landed.request_id, by_trace.request_id)
        end as string
    ) as request_id,
    cast(coalesce(by_request.request_day, by_span.request_day, by_trace.request_day) as date) as request_day,
    cast(
        case
            when coalesce(by_request.request_day, by_span.request_day) is not null then 'matched'
            when landed.request_id is null and by_trace.request_id is not null then 'matched'
            when by_trace.request_day is not null then 'trace'
            else 'orphan'
        end as string
    ) as state,
    cast(winners.record_id as string) as record_id,
    cast(landed.trace_id as string) as trace_id,
    cast(landed.conversation_token as string) as conversation_token,
    cast(landed.user_token as string) as user_token,
    cast(coalesce(tenants.tenant, landed.tenant_token) as string) as tenant,
    cast(landed.team as string) as team,
    cast(landed.feature as string) as feature,
    cast(landed.environment as string) as environment,
    cast(landed.feedback_kind as string) as feedback_kind,
    cast(landed.feedback_name as string) as feedback_name,
    cast(landed.feedback_value as double) as feedback_value,
    cast(landed.feedback_unit as string) as feedback_unit,
    cast(landed.feedback_label as string) as feedback_label,
    cast(landed.feedback_by as string) as feedback_by,
    cast(landed.may_store_text as boolean) as may_store_text,
    cast(landed.may_label as boolean) as may_label,
    cast(landed.may_train as boolean) as may_train
from logs.landed as landed
inner join winners
    on landed.file_id = winners.file_id and landed.record_number = winners.record_number
left join logs.tenants as tenants
    on landed.tenant_token = tenants.tenant_token
left join by_request
    on landed.file_id = by_request.file_id and landed.record_number = by_request.record_number
left join by_span
    on landed.file_id = by_span.file_id and landed.record_number = by_span.record_number
left join by_trace
    on landed.file_id = by_trace.file_id and landed.record_number = by_trace.record_number
where landed.day = cast($day as date)
