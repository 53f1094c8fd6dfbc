-- One delivered request record that lost to a better delivery of the same request, filed under its own day.
with versions as (
    select
        day,
        request_id,
        file_id,
        record_number,
        arrived_at,
        is_complete,
        -- As in logs.requests: the first delivery of a version stands for it.
        row_number() over (
            partition by request_id, record_digest
            order by arrived_at nulls last, file_id nulls last, record_number nulls last
        ) as delivery
    from logs.landed
    where record_kind = 'request'
),

winners as (
    select day, request_id, file_id, record_number
    from (
        select
            day,
            request_id,
            file_id,
            record_number,
            row_number() over (
                partition by request_id
                order by case when is_complete = false then 1 else 0 end, arrived_at desc, file_id desc, record_number desc
            ) as place
        from versions
        where delivery = 1
    ) as ranked
    where place = 1
)

select
    cast(lost.day as date) as day,
    cast(lost.request_id as varchar) as request_id,
    cast(lost.file_id as varchar) as file_id,
    cast(lost.record_number as bigint) as record_number,
    cast(won.day as date) as winner_day,
    cast(won.file_id as varchar) as winner_file_id,
    cast(won.record_number as bigint) as winner_record_number
from versions as lost
inner join winners as won
    on lost.request_id = won.request_id
where not (lost.file_id = won.file_id and lost.record_number = won.record_number)
    and lost.day = cast($day as date)
