-- title: Recent errors
-- show: table
-- unit: facts
-- section: Failed of late
-- empty: No request of the last two days failed.
-- meaning: Requests of the newest two days that failed, the newest first.
select
    ts as moment,
    request_id,
    feature,
    tenant,
    model,
    error_class as class,
    error_code as code,
    cast(http_status as varchar) as http,
    retry_count as retries,
    latency_ms
from logs.requests
where day > $day - 2 and error_class is not null
order by ts desc, request_id
limit 15;
