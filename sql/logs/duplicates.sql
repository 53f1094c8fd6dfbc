-- One delivered record that lost to a better delivery of the same thing, filed under its own day.
with records as (
    select
        day,
        record_kind,
        record_digest,
        request_id,
        -- As in the table of each kind: whose record it is, and which of its records.
        coalesce(request_id, trace_id, source) as belongs_to,
        case record_kind
            when 'request' then ''
            when 'retrieval' then coalesce(record_id, document_id || '#' || coalesce(cast(document_rank as string), ''))
            else coalesce(record_id, record_digest)
        end as record_id,
        file_id,
        record_number,
        arrived_at,
        is_complete
    from logs.landed
),

versions as (
    select
        *,
        -- The first delivery of a version stands for it.
        row_number() over (
            partition by record_kind, belongs_to, record_id, record_digest
            order by arrived_at nulls last, file_id nulls last, record_number nulls last
        ) as delivery
    from records
),

winners as (
    select day, record_kind, belongs_to, record_id, file_id, record_number
    from (
        select
            day,
            record_kind,
            belongs_to,
            record_id,
            file_id,
            record_number,
            row_number() over (
                partition by record_kind, belongs_to, record_id
                order by case when is_complete = false then 1 else 0 end, arrived_at desc, file_id desc, record_number desc
            ) as place
        from versions
        where delivery = 1
    ) as ranked
    where place = 1
)

select
    cast(lost.day as date) as day,
    cast(lost.record_kind as string) as record_kind,
    cast(lost.request_id as string) as request_id,
    cast(case when lost.record_kind <> 'request' then lost.record_id end as string) as record_id,
    cast(lost.file_id as string) as file_id,
    cast(lost.record_number as bigint) as record_number,
    cast(won.day as date) as winner_day,
    cast(won.file_id as string) as winner_file_id,
    cast(won.record_number as bigint) as winner_record_number
from versions as lost
inner join winners as won
    on lost.record_kind = won.record_kind
    and lost.belongs_to = won.belongs_to
    and lost.record_id = won.record_id
where not (lost.file_id = won.file_id and lost.record_number = won.record_number)
    and lost.day = cast($day as date)
