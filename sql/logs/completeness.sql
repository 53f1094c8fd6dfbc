-- One row per day, source, kind of record and field, against the same weekday of the last four weeks.
with delivered as (
    -- Live: most of it was there in its night. What was landed as history is no habit that a source could break.
    select *, 2 * timely_records >= distinct_records as is_live
    from logs.source_days
),

counted as (
    select
        day, source, record_kind, is_live, 'records' as field, distinct_records as records, cast(null as bigint) as filled
    from delivered
    union all
    select day, source, record_kind, is_live, 'provider', answered_requests, with_provider
    from delivered where record_kind = 'request'
    union all
    select day, source, record_kind, is_live, 'request_model', answered_requests, with_request_model
    from delivered where record_kind = 'request'
    union all
    select day, source, record_kind, is_live, 'response_model', answered_requests, with_response_model
    from delivered where record_kind = 'request'
    union all
    select day, source, record_kind, is_live, 'input_tokens', answered_requests, with_input_tokens
    from delivered where record_kind = 'request'
    union all
    select day, source, record_kind, is_live, 'output_tokens', answered_requests, with_output_tokens
    from delivered where record_kind = 'request'
    union all
    select day, source, record_kind, is_live, 'latency_ms', answered_requests, with_latency_ms
    from delivered where record_kind = 'request'
    union all
    select day, source, record_kind, is_live, 'tenant', answered_requests, with_tenant
    from delivered where record_kind = 'request'
    union all
    select day, source, record_kind, is_live, 'feature', answered_requests, with_feature
    from delivered where record_kind = 'request'
    union all
    select day, source, record_kind, is_live, 'request_id', distinct_records, with_request_id
    from delivered where record_kind <> 'request'
),

watched as (
    select source, record_kind, field, min(day) as first_day
    from counted
    group by source, record_kind, field
),

weekdays as (
    select cast(cast($day as date) - interval '7' day as date) as day
    union all
    select cast(cast($day as date) - interval '14' day as date)
    union all
    select cast(cast($day as date) - interval '21' day as date)
    union all
    select cast(cast($day as date) - interval '28' day as date)
),

earlier as (
    -- A weekday on which nothing came in time is a 0, unless the source had not begun.
    select
        watched.source,
        watched.record_kind,
        watched.field,
        case when counted.is_live then counted.records else 0 end as records,
        case when counted.is_live then cast(counted.filled as double) / nullif(counted.records, 0) end as fill_rate
    from watched
    inner join weekdays
        on watched.first_day <= weekdays.day
    left join counted
        on counted.day = weekdays.day
        and counted.source = watched.source
        and counted.record_kind = watched.record_kind
        and counted.field = watched.field
),

usual as (
    select
        source,
        record_kind,
        field,
        count(*) as weekdays,
        case when count(*) >= 2 then percentile_cont(0.5) within group (order by records nulls last) end as usual_records,
        case when count(fill_rate) >= 2 then percentile_cont(0.5) within group (order by fill_rate nulls last) end
            as usual_fill_rate
    from earlier
    group by source, record_kind, field
),

compared as (
    select
        watched.source,
        watched.record_kind,
        watched.field,
        coalesce(today.records, 0) as records,
        case when watched.field <> 'records' then coalesce(today.filled, 0) end as filled,
        cast(today.filled as double) / nullif(today.records, 0) as fill_rate,
        usual.usual_records,
        usual.usual_fill_rate,
        coalesce(usual.weekdays, 0) as weekdays
    from watched
    left join counted as today
        on today.day = cast($day as date)
        and today.source = watched.source
        and today.record_kind = watched.record_kind
        and today.field = watched.field
    left join usual
        on usual.source = watched.source
        and usual.record_kind = watched.record_kind
        and usual.field = watched.field
)

select
    cast($day as date) as day,
    cast(source as string) as source,
    cast(record_kind as string) as record_kind,
    cast(field as string) as field,
    cast(records as bigint) as records,
    cast(usual_records as double) as usual_records,
    cast(cast(records as double) / nullif(usual_records, 0) as double) as volume_ratio,
    cast(filled as bigint) as filled,
    cast(fill_rate as double) as fill_rate,
    cast(usual_fill_rate as double) as usual_fill_rate,
    cast(weekdays as integer) as weekdays,
    cast(
        case
            when field = 'records' and usual_records >= 10 and records < 0.1 * usual_records then 'silent'
            when records >= 10
                and fill_rate < usual_fill_rate - 0.1 - 3 * sqrt(usual_fill_rate * (1 - usual_fill_rate) / nullif(records, 0))
                then 'field_lost'
        end as string
    ) as finding
from compared
