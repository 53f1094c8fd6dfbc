-- One request and the day it lies on.
select
    cast(day as date) as day,
    cast(request_id as string) as request_id,
    cast(ts as timestamp with time zone) as ts,
    cast(trace_id as string) as trace_id,
    cast(span_id as string) as span_id,
    cast(parent_id is null as boolean) as is_root
from logs.requests
where day = cast($day as date)
