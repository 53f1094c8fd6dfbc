-- title: Latency, 95 % within
-- show: line
-- unit: ms
-- section: Trends
-- good: down
-- meaning: The time within which 95 of 100 answers of a day were complete, by feature.
select
    day as moment,
    feature as series,
    latency_p95_ms as value,
    latency_n as n
from service.sli_daily
where scope = 'feature' and day > $day - $days and latency_p95_ms is not null
order by sum(latency_n) over (partition by feature) desc, series, moment;
