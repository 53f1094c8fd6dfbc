-- title: Satisfaction by feature
-- show: bars
-- unit: share
-- section: Quality
-- good: up
-- meaning: Share of thumbs that point up, with 95 % intervals; n is the number of ratings.
select
    feature as name,
    sum(feedback_value) / nullif(count(feedback_value), 0) as value,
    wilson_low(cast(sum(feedback_value) as bigint), count(feedback_value)) as low,
    wilson_high(cast(sum(feedback_value) as bigint), count(feedback_value)) as high,
    count(feedback_value) as n
from logs.request_feedback
where feedback_kind = 'rating' and feedback_name = 'thumbs' and day > $day - $days and feature is not null
group by feature
order by value desc nulls last, feature;
