-- title: Error rate by hour
-- show: line
-- unit: share
-- section: Service
-- good: down
-- meaning: Share of an hour's requests that failed over the newest two days, with its 95 % interval.
with hours as (
    select
        date_trunc('hour', bucket_start) as moment,
        sum(requests) as requests,
        sum(failed_client + failed_provider + failed_infrastructure + failed_model + failed_schema) as failed_requests
    from service.sli_5min
    where day > $day - 2
    group by moment
)

select
    moment,
    failed_requests / nullif(cast(requests as double), 0) as value,
    wilson_low(failed_requests, requests) as low,
    wilson_high(failed_requests, requests) as high,
    requests as n
from hours
order by moment;
