-- title: Spend by hour
-- show: line
-- unit: USD
-- section: Service
-- good: down
-- meaning: Contracted cost of an hour over the newest two days. A loop, or a leaked key, shows here first.
select
    hour_start as moment,
    sum(contracted_amount) as value,
    sum(requests) as n
from cost.cost_hourly
where day > $day - 2
group by moment
order by moment;
