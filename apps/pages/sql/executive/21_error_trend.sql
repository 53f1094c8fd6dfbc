-- title: Error rate
-- show: line
-- unit: share
-- section: Trends
-- good: down
-- meaning: Share of a day's requests that failed, with its 95 % interval.
select
    day as moment,
    error_rate as value,
    error_rate_low as low,
    error_rate_high as high,
    requests as n
from service.sli_daily
where scope = 'all' and day > $day - $days
order by day;
