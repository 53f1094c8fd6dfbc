-- title: Error rate by hour
-- show: line
-- unit: share
-- section: Service
-- good: down
-- meaning: Share of an hour's requests that failed over the newest two days, with its 95 % interval.
select
    hour_start as moment,
    error_rate as value,
    error_rate_low as low,
    error_rate_high as high,
    requests as n
from service.sli_hourly
where scope = 'all' and day > $day - 2
order by hour_start;
