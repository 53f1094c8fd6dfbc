-- title: Hallucination
-- show: tile
-- unit: share
-- section: In short
-- good: down
-- meaning: >-
--   Share of answers of 30 days that say what is not so, estimated from people's labels of drawn answers and, where it
--   can, from the detector's scores of the rest, with a 95 % interval; n is the number of labels. The line is of windows of
--   seven days.
select
    case when window_days = 7 then day end as day,
    rate as value,
    low,
    high,
    n_labelled as n
from quality.rates
where
    verdict = 'hallucinated' and scope = 'all'
    and (
        (window_days = 7 and day > $day - $days)
        or (window_days = 30 and day = (
            select max(day) from quality.rates where verdict = 'hallucinated' and scope = 'all' and window_days = 30
        ))
    )
order by day;
