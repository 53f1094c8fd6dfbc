-- title: Cost of 1,000 answers
-- show: tile
-- unit: USD
-- section: In short
-- good: down
-- meaning: Spend for 1,000 requests that succeeded. It rises with prices, with longer answers and with failures that are paid for.
select
    day,
    1000 * cast(sum(priced_contracted_amount) as double) / nullif(count(case when is_success then 1 end), 0) as value,
    count(case when is_success then 1 end) as n,
    any_value(before.value) as before
from cost.request_costs
cross join (
    select 1000 * cast(sum(priced_contracted_amount) as double) / nullif(count(case when is_success then 1 end), 0) as value
    from cost.request_costs
    where day > $day - 2 * $days and day <= $day - $days
) as before
where day > $day - $days
group by grouping sets ((day), ())
order by day;
