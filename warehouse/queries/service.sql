-- How good was each feature's service on the newest day?
select feature, requests, availability, availability_low, availability_high, latency_p50_ms, latency_p95_ms, latency_p99_ms
from service.sli_daily
where scope = 'feature' and day = (select max(day) from service.sli_daily)
order by availability nulls last;

-- Which hours were the worst, and which model answered in them?
select hour_start, model, valid_requests, healthy_requests, availability, availability_high
from service.sli_hourly
where scope = 'model' and valid_requests > 0
order by availability_high, valid_requests desc
limit 20;

-- What failed, how, and whom did it meet?
select day, provider, model, error_class, error_code, http_status, failed_requests, requests, error_rate, users
from service.errors_daily
order by day desc, failed_requests desc;

-- Where does the time go: queue, retrieval, filters, the first token, the whole?
select day, feature, measure, n, p50, p95, p99
from service.timing_daily
where scope = 'feature' and measure <> 'output_tokens_per_s'
order by day desc, feature, measure;

-- What is the p95 of a model in a feature over all days, whatever view there is for it?
with bins as (
    select model, feature, bin, sum(n) as n
    from service.timing_5min
    where measure = 'latency_ms'
    group by model, feature, bin
),

ranked as (
    select
        *,
        sum(n) over (partition by model, feature order by bin) as n_up_to,
        sum(n) over (partition by model, feature) as n_all
    from bins
)

select model, feature, max(n_all) as n, log_bin_value(min(bin)) as latency_p95_ms
from ranked
where n_up_to >= 0.95 * n_all
group by model, feature
order by latency_p95_ms desc;

-- Did the new prompt version do its job better than the one before?
select feature, prompt_version, feedback_kind, feedback_name, feedback_unit, feedback_by, requests, n, value_mean, low, high
from service.outcome_rates
where span = 'all'
order by feature, feedback_name, feedback_by, prompt_version;

-- How many people use each feature?
select day, feature, requests, requests_with_user, active_users, requests_per_active_user
from service.active_users_daily
where scope = 'feature'
order by day desc, active_users desc nulls last;

-- How long are conversations, and how many end badly?
select day, tenant, feature, conversations, turns_per_conversation, tokens_per_turn, drop_off_rate, escalation_rate
from service.conversations_daily
order by day desc, conversations desc;

-- What did the response cache save?
select day, feature, model, lookups, hits, hit_rate, stale_hits, saved_amount
from service.cache_daily
order by day desc, saved_amount desc nulls last;

-- What did requests on the wrong route cost more?
select day, feature, route_measured, routing_success_rate, misrouted, compared_requests, misrouting_amount
from service.routing_daily
order by day desc, misrouting_amount desc nulls last;

-- What did the safety filter stop, and what got past it?
select day, feature, judged, pass_rate, output_pass_rate, blocks_per_1000, bypassed, labelled, false_positive_rate
from service.safety_daily
order by day desc, bypassed desc, feature;

-- Which tools failed, or were called without leave?
select day, feature, tool_name, calls, failure_rate, denied, undeclared, unapproved, undecided, latency_p95_ms
from service.tool_calls_daily
order by day desc, unapproved desc, calls desc;

-- What is open, and has anybody been told?
select severity, state, delivery, first_seen, title, owner, runbook
from service.alerts_now
where state in ('open', 'acknowledged')
order by severity, first_seen;

-- Which rules are worth waking for?
select rule, severity, status, alerts, n, precision, low, high
from service.alert_precision
order by n desc, rule;
