-- title: Spend by feature
-- show: line
-- unit: USD
-- section: Trends
-- meaning: Contracted cost of a day by feature; the five dearest, the others together.
with dearest as (
    select feature
    from cost.cost_daily
    where day > $day - $days
    group by feature
    order by sum(contracted_amount) desc nulls last
    limit 5
)

select
    day as moment,
    case when feature in (select feature from dearest) then feature else 'others' end as series,
    sum(contracted_amount) as value
from cost.cost_daily
where day > $day - $days
group by moment, series
order by sum(value) over (partition by series) desc, series, moment;
