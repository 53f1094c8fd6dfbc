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
    sum(priced_contracted_amount) as value,
    count(*) as n,
    any_value(before.value) as before
from cost.request_costs
cross join (
    select sum(priced_contracted_amount) as value
    from cost.request_costs
    where day > $day - 2 * $days and day <= $day - $days
) as before
where day > $day - $days
group by grouping sets ((day), ())
order by day;
