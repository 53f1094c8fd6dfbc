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

-- How many documents did requests get, from which index, and how many were cited?
select
    day,
    index_version,
    count(distinct request_id) as requests,
    count(*) / count(distinct request_id) as documents_per_request,
    count_if(is_cited) as cited,
    count(is_cited) as n_cited
from logs.retrievals
group by day, index_version
order by day desc, requests desc;

-- Which tool calls were denied, or can do harm without anybody having decided?
select day, tool_name, side_effect, tool_decision, count(*) as calls, count(distinct request_id) as requests
from logs.tool_calls
where tool_decision = 'denied' or (tool_decision is null and side_effect in ('write', 'irreversible'))
group by day, tool_name, side_effect, tool_decision
order by day desc, calls desc;

-- Of how many requests do we know what became of them?
select
    r.day,
    r.feature,
    count(*) as requests,
    count(f.request_id) as requests_with_feedback,
    count(f.request_id) / count(*) as coverage
from logs.requests as r
left join (select distinct day, request_id from logs.request_feedback) as f
    on f.day = r.day and f.request_id = r.request_id
group by r.day, r.feature
order by r.day desc, requests desc;

-- Does a prompt version do better than the one before?
select
    prompt_version,
    model,
    feedback_kind,
    feedback_name,
    feedback_unit,
    feedback_by,
    sum(n_with_value) as n,
    sum(value_sum) / sum(n_with_value) as mean
from logs.outcomes_daily
group by prompt_version, model, feedback_kind, feedback_name, feedback_unit, feedback_by
having sum(n_with_value) > 0
order by feedback_kind, feedback_name, n desc;

-- How much feedback found no request?
select day, source, state, count(*) as feedback
from logs.feedback
group by day, source, state
order by day desc, feedback desc;

-- Does every source send what it usually sends, with the fields that figures rest on?
select day, source, record_kind, field, records, usual_records, fill_rate, usual_fill_rate, finding
from logs.completeness
where day = (select max(day) from logs.completeness)
order by finding nulls last, source, record_kind, field;
