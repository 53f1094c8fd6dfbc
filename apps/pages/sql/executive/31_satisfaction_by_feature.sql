-- title: Satisfaction by feature
-- show: bars
-- unit: share
-- section: Quality
-- good: up
-- meaning: Share of thumbs that point up, with 95 % intervals; n is the number of ratings.
select
    feature as name,
    sum(value_sum) / nullif(sum(n_with_value), 0) as value,
    wilson_low(cast(sum(value_sum) as bigint), sum(n_with_value)) as low,
    wilson_high(cast(sum(value_sum) as bigint), sum(n_with_value)) as high,
    sum(n_with_value) as n
from logs.outcomes_daily
where feedback_kind = 'rating' and feedback_name = 'thumbs' and day > $day - $days and feature is not null
group by feature
order by value desc nulls last, feature;
