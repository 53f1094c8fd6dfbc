-- title: Cost of 1,000 answers
-- show: tile
-- unit: USD
-- section: In short
-- good: down
-- meaning: Spend for 1,000 requests that succeeded. It rises with prices, with longer answers and with failures that are paid for.
select
    day,
    1000 * cast(sum(contracted_amount) as double) / nullif(sum(successful_requests), 0) as value,
    sum(successful_requests) as n,
    any_value(before.value) as before
from cost.unit_costs_daily
cross join (
    select 1000 * cast(sum(contracted_amount) as double) / nullif(sum(successful_requests), 0) as value
    from cost.unit_costs_daily
    where scope = 'all' and day > $day - 2 * $days and day <= $day - $days
) as before
where scope = 'all' and day > $day - $days
group by grouping sets ((day), ())
order by day;
