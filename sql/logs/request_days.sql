-- One request and the day it lies on.
select
    cast(day as date) as day,
    cast(request_id as varchar) as request_id,
    cast(ts as timestamp with time zone) as ts
from logs.requests
where day = cast($day as date)
