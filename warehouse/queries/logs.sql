-- How many requests came each day, and how many were delivered twice?
select day, requests, duplicates, is_settled
from governance.accounting
order by day desc;

-- Which files came last, and what became of their lines?
select path, state, lines, records_landed, records_quarantined + lines_refused as quarantined, arrived_at
from logs.files
order by arrived_at desc, path
limit 20;

-- What is wrong with the lines in quarantine?
select source, reason, column_name, expected, count(*) as lines, min(excerpt) as example
from logs.quarantine
group by source, reason, column_name, expected
order by lines desc;

-- How slow is each model, where latency was measured?
select
    model,
    count(latency_ms) as n,
    quantile_cont(latency_ms, 0.5) as p50_ms,
    quantile_cont(latency_ms, 0.95) as p95_ms
from logs.requests
where day >= (select max(day) - 7 from logs.requests)
group by model
order by n desc;

-- Where is the request with this id?
select day, ts
from logs.request_days
where request_id = (select min(request_id) from logs.request_days);

-- Which figures changed after they were first published, and why?
select day, table_name, grouping, measure, before, after, cause, restated_at
from logs.restatements
order by restated_at desc, day desc
limit 50;
