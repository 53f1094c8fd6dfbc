-- What did each tenant cost, day by day?
select day, tenant, sum(contracted_amount) as cost_usd, sum(requests) as requests
from cost.cost_daily
group by day, tenant
order by day desc, cost_usd desc;

-- What did each team and feature cost in the last seven days, and in the seven before?
select
    team,
    feature,
    sum(case when cost_daily.day > newest.day - 7 then contracted_amount end) as usd,
    sum(case when cost_daily.day <= newest.day - 7 then contracted_amount end) as usd_before
from cost.cost_daily, (select max(day) as day from cost.cost_daily) as newest
where cost_daily.day > newest.day - 14
group by team, feature
order by usd desc nulls last;

-- Which models must be priced, and how much traffic hangs on them?
select *
from cost.unpriced_models
order by requests desc;

-- What does a million tokens really cost, by model?
select *
from cost.model_rates_daily
order by day desc, provider, model;

-- What does a request, a successful request, an active user cost?
select *
from cost.unit_costs_daily
where scope = 'all'
order by day desc;

-- How much of the bill is the dearest one percent of requests?
select *
from cost.concentration_daily
order by day desc;

-- How much of the bill carries no team, feature or tenant?
select *
from cost.untagged_daily
order by day desc, tag;

-- Who are the dearest users of the newest day?
select *
from cost.user_costs
where day = (select max(day) from cost.user_costs)
order by contracted_amount desc nulls last
limit 20;

-- What did a day cost in Kathmandu (UTC+05:45)?
select
    cast(bucket_start + interval 345 minute as date) as local_day,
    sum(contracted_amount) as cost_usd
from cost.cost_15min
group by local_day
order by local_day desc;
