-- title: Requests
-- show: tile
-- unit: count
-- section: In short
-- meaning: LLM requests of all tenants and features, re-deliveries counted once and shadow requests left out.
select
    day,
    sum(requests) as value,
    any_value(before.value) as before
from service.sli_5min
cross join (
    select sum(requests) as value
    from service.sli_5min
    where day > $day - 2 * $days and day <= $day - $days
) as before
where day > $day - $days
group by grouping sets ((day), ())
order by day;
