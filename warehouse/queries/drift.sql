-- Which metrics moved on the newest day, how far beyond what is usual, and how sure is that?
select segment_kind, segment, family, metric, status, n, n_reference, effect, floor, z, p, q, is_alarm
from drift.drift_tests
where day = (select max(day) from drift.drift_tests)
order by is_alarm desc, p nulls last, segment_kind, segment, metric;

-- Which share of all requests did each model answer, day by day?
select day, bin as model, n as requests, cast(n as double) / sum(n) over (partition by day) as share
from drift.profiles
where segment_kind = 'all' and metric = 'model' and bin is not null
order by day desc, requests desc;
