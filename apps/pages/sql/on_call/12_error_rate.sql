-- title: Error rate, newest day
-- show: tile
-- unit: share
-- section: Now
-- good: down
-- meaning: Share of the newest day's requests that failed, with its 95 % interval, beside the seven days before it.
with days as (
    select
        day,
        sum(requests) as requests,
        sum(failed_client + failed_provider + failed_infrastructure + failed_model + failed_schema) as failed_requests,
        failed_requests / nullif(cast(sum(requests) as double), 0) as error_rate,
        wilson_low(failed_requests, sum(requests)) as error_rate_low,
        wilson_high(failed_requests, sum(requests)) as error_rate_high
    from service.sli_5min
    where day > $day - 14
    group by day
)

select
    day,
    error_rate as value,
    error_rate_low as low,
    error_rate_high as high,
    requests as n,
    cast(null as double) as before
from days
union all
select
    null,
    any_value(error_rate) filter (where day = $day),
    any_value(error_rate_low) filter (where day = $day),
    any_value(error_rate_high) filter (where day = $day),
    any_value(requests) filter (where day = $day),
    sum(failed_requests) filter (where day < $day and day >= $day - 7)
    / nullif(cast(sum(requests) filter (where day < $day and day >= $day - 7) as double), 0)
from days
order by day;
