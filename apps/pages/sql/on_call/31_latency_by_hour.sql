-- title: Latency by hour
-- show: line
-- unit: ms
-- section: Service
-- good: down
-- meaning: The time within which 50, 95 and 99 of 100 answers of an hour were complete, over the newest two days.
select
    hours.hour_start as moment,
    measured.series,
    case measured.series
        when '99 %' then hours.latency_p99_ms
        when '95 %' then hours.latency_p95_ms
        else hours.latency_p50_ms
    end as value,
    hours.latency_n as n
from service.sli_hourly as hours
cross join (select unnest(['99 %', '95 %', '50 %']) as series) as measured
where hours.scope = 'all' and hours.day > $day - 2
order by measured.series desc, moment;
