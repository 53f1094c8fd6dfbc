-- title: Satisfaction
-- show: tile
-- unit: share
-- section: In short
-- good: up
-- meaning: >-
--   Share of thumbs that point up, of the requests that anybody rated; n is the number of ratings. Those who rate are not all
--   who ask.
with rated as (
    select
        day,
        sum(value_sum) as liked,
        sum(n_with_value) as n
    from logs.outcomes_daily
    where feedback_kind = 'rating' and feedback_name = 'thumbs'
    group by day
)

select
    day,
    sum(liked) / nullif(sum(n), 0) as value,
    wilson_low(cast(sum(liked) as bigint), sum(n)) as low,
    wilson_high(cast(sum(liked) as bigint), sum(n)) as high,
    sum(n) as n,
    any_value(before.value) as before
from rated
cross join (
    select sum(liked) / nullif(sum(n), 0) as value
    from rated
    where day > $day - 2 * $days and day <= $day - $days
) as before
where day > $day - $days
group by grouping sets ((day), ())
order by day;
