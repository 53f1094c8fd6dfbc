-- title: Queue length
-- show: line
-- unit: count
-- section: Service
-- good: down
-- meaning: >-
--   Requests that waited at once, on average over an hour: the sum of their waiting divided by the hour (Little's law), over
--   the newest two days. Requests that do not log their waiting are not in it.
select
    date_trunc('hour', bucket_start) as moment,
    cast(sum(queue_ms_sum) as double) / 3600000 as value,
    sum(queue_n) as n
from service.sli_5min
where day > $day - 2
group by moment
having sum(queue_n) > 0
order by moment;
