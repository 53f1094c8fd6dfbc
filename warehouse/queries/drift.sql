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

-- What has changed, and is it known why?
select state, since_day, nights, segment_kind, segment, metric, effect / floor as effect_in_floors, tests, title, outcome
from drift.alarms_now
order by state, since_day desc, effect_in_floors desc;

-- Did it begin with a jump or a slope: how far off was each night in the metric that names the newest change?
select t.day, t.segment_kind, t.segment, t.metric, t.n, t.night_effect, t.effect, t.floor, t.is_alarm
from drift.drift_tests as t
inner join drift.alarms_now as a on t.segment_kind = a.segment_kind and t.segment = a.segment and t.metric = a.metric
where a.since_day = (select max(since_day) from drift.alarms_now)
order by t.segment_kind, t.segment, t.metric, t.day;

-- How much reference do the tests have, and which of them cannot say anything yet?
select status, count(*) as tests, min(reference_days) as fewest_days, min(n) as fewest_requests, count(distinct segment) as segments
from drift.drift_tests
where day = (select max(day) from drift.drift_tests)
group by status
order by tests desc;

-- What do people ask in: the share of each language, this week against the eight before?
select bin as language,
    sum(case when day > newest - 7 then n end) / sum(sum(case when day > newest - 7 then n end)) over () as this_week,
    sum(case when day <= newest - 7 then n end) / sum(sum(case when day <= newest - 7 then n end)) over () as before
from drift.profiles
cross join (select max(day) as newest from drift.profiles)
where segment_kind = 'all' and metric = 'prompt_language' and bin is not null and day > newest - 63
group by bin
order by this_week desc nulls last;

-- How long are answers of each model: the mean by week, with the number of requests behind it?
select segment as model, date_trunc('week', day) as week, sum(n) as requests, sum(value_sum) / sum(n) as mean_output_tokens
from drift.profiles
where segment_kind = 'model' and metric = 'output_tokens' and bin is not null
group by segment, week
order by segment, week;

-- How often were drift's tickets right?
select rule, status, alerts, n, incidents, expected, noise, unknown, precision, low, high
from service.alert_precision
where rule like 'drift.%'
order by rule, status;
