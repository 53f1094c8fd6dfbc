-- title: Hallucination by feature
-- show: bars
-- unit: share
-- section: Quality
-- good: down
-- empty: Nobody has judged answers of these days; `make labelling` is the page for it.
-- meaning: Estimated share of answers of the last 30 days that say what is not so, with 95 % intervals; n is the number of labels.
select
    feature as name,
    rate as value,
    low,
    high,
    n_labelled as n
from quality.rates
where
    verdict = 'hallucinated' and scope = 'feature' and window_days = 30 and feature is not null
    and day = (select max(day) from quality.rates where scope = 'feature' and window_days = 30)
order by rate desc nulls last, feature;
