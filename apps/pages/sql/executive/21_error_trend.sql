-- title: Error rate
-- show: line
-- unit: share
-- section: Trends
-- good: down
-- meaning: Share of a day's requests that failed, with its 95 % interval.
with days as (
    select day, sum(requests) as requests, sum(failed_client + failed_provider + failed_infrastructure + failed_model + failed_schema) as failed_requests
    from service.sli_5min
    where day > $day - $days
    group by day
)

select
    day as moment,
    failed_requests / nullif(cast(requests as double), 0) as value,
    wilson_low(failed_requests, requests) as low,
    wilson_high(failed_requests, requests) as high,
    requests as n
from days
order by day;
