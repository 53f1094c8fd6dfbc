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
        request_day as day,
        sum(feedback_value) as liked,
        count(feedback_value) as n
    from logs.feedback
    where
        state = 'matched' and feedback_kind = 'rating' and feedback_name = 'thumbs'
        and request_day > $day - 2 * $days and day > $day - 2 * $days
    group by request_day
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
