-- title: Spend
-- show: tile
-- unit: USD
-- section: In short
-- good: down
-- meaning: >-
--   What requests cost at contracted prices, where a price is known. Requests without a price are not in it:
--   cost.unpriced_models lists their models.
select
    day,
    sum(contracted_amount) as value,
    sum(requests) as n,
    any_value(before.value) as before
from cost.unit_costs_daily
cross join (
    select sum(contracted_amount) as value
    from cost.unit_costs_daily
    where scope = 'all' and day > $day - 2 * $days and day <= $day - $days
) as before
where scope = 'all' and day > $day - $days
group by grouping sets ((day), ())
order by day;
