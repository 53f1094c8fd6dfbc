-- title: Safety bypasses, 7 days
-- show: tile
-- unit: count
-- section: Now
-- good: down
-- meaning: Answers that came although a safety filter had blocked them, in the last seven days.
select
    day,
    sum(bypassed) as value,
    sum(judged) as n
from service.safety_daily
where day > $day - 7
group by grouping sets ((day), ())
order by day;
