-- One document that was found for a request, in its best delivery.
with records as (
    select
        day,
        file_id,
        record_number,
        record_digest,
        arrived_at,
        is_complete,
        coalesce(request_id, trace_id, source) as belongs_to,
        coalesce(record_id, document_id || '#' || coalesce(cast(document_rank as string), '')) as record_id
    from logs.landed
    where record_kind = 'retrieval'
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
)

select
    cast(landed.day as date) as day,
    cast(landed.file_id as string) as file_id,
    cast(landed.record_number as bigint) as record_number,
    cast(landed.source as string) as source,
    cast(landed.arrived_at as timestamp with time zone) as arrived_at,
    cast(landed.ts as timestamp with time zone) as ts,
    cast(landed.request_id as string) as request_id,
    cast(winners.record_id as string) as record_id,
    cast(landed.trace_id as string) as trace_id,
    cast(landed.parent_id as string) as parent_id,
    cast(landed.conversation_token as string) as conversation_token,
    cast(landed.user_token as string) as user_token,
    cast(coalesce(tenants.tenant, landed.tenant_token) as string) as tenant,
    cast(landed.team as string) as team,
    cast(landed.feature as string) as feature,
    cast(landed.environment as string) as environment,
    cast(landed.index_version as string) as index_version,
    cast(landed.embedder_version as string) as embedder_version,
    cast(landed.document_id as string) as document_id,
    cast(landed.document_version as string) as document_version,
    cast(landed.document_rank as integer) as document_rank,
    cast(landed.retrieval_score as double) as retrieval_score,
    cast(landed.is_cited as boolean) as is_cited,
    cast(landed.latency_ms as double) as latency_ms,
    cast(landed.may_store_text as boolean) as may_store_text,
    cast(landed.may_label as boolean) as may_label,
    cast(landed.may_train as boolean) as may_train
from logs.landed as landed
inner join winners
    on landed.file_id = winners.file_id and landed.record_number = winners.record_number
left join logs.tenants as tenants
    on landed.tenant_token = tenants.tenant_token
where landed.day = cast($day as date)
