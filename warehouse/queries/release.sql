-- How many deployments took place in the last 30 days of the record, and how many alerts did they hold back?
select
    (
        select count(*)
        from release.deployments_now
        where starts_at >= (select max(day) from logs.requests) - interval 30 day
    ) as deployments,
    (select count(*) from service.alerts_now where state = 'suppressed' and suppressed_by is not null) as alerts_held_back;

-- What share of requests failed while something was being rolled out, and what share otherwise?
select
    d.deployment_id is not null as in_deployment,
    count(*) as requests,
    count(*) filter (where r.error_class is not null) / count(*) as failed_share
from logs.requests as r
left join release.deployments_now as d
    on r.ts between d.starts_at and d.ends_at
    and (d.feature is null or d.feature = r.feature)
    and (d.model is null or d.model = r.model)
group by in_deployment
order by in_deployment;

-- Where do declarations and logs part on what is live, and since when?
select feature, environment, source, value, since, title
from release.live_versions
where agrees = false
order by feature, environment, source, value;

-- What did the new versions of prompts change, as far as their first days show?
select
    feature,
    before_version,
    prompt_version,
    days_live,
    metric,
    value_before,
    value_after,
    difference_low,
    difference_high,
    reading
from release.before_after
where
    day = (select max(day) from release.before_after)
    and environment = 'prod' and reading in ('better', 'worse')
order by feature, prompt_version, metric;

-- Which prompts run that no manifest describes, and how much traffic is that?
select feature, environment, value as prompt_version, since, n
from release.live_versions
where source = 'logs' and kind = 'prompt_version' and not has_manifest
order by n desc;

-- How do versions fare against the adversarial suite, run by run?
select begun_at, version, source, cases, judged, pass_rate, critical_failures, unanswered, cost_usd
from release.eval_results
where part = 'suite:adversarial'
order by begun_at desc, version;

-- What did the release gate decide, what would the candidate have changed, and why?
select decided_at, candidate, live, changes, outcome, reason, actor
from release.gates
where gate = 'verdict'
order by decided_at desc;

-- Which cases fail most often, over the newest run of each version, and by which check?
select e.suite, e.case_id, e.is_critical, count(distinct e.version) as versions, count(*) as failures, max(e.checks) as checks
from release.eval_runs as e
where
    e.passed = false
    and e.run_id in (select max_by(run_id, begun_at) from release.eval_results where part = 'all' group by version)
group by e.suite, e.case_id, e.is_critical
order by e.is_critical desc, failures desc, e.suite, e.case_id;

-- What went live, on whose word, and did the gate let it pass?
select
    live_from,
    release_id,
    act,
    prompt_version,
    model,
    index_name,
    embedder,
    safety_policy_version,
    gate_id is not null as has_passed_the_gate,
    approved_by,
    actor,
    reason
from release.manifests
order by live_from desc;

-- What can the suites not tell?
select suite, cases, critical_cases, gaps, limits
from release.suites
where gaps is not null or limits is not null
order by suite;

-- Would the candidate have answered an incident's requests otherwise: refusals, support and cost, then and now?
select
    incident,
    candidate,
    count(distinct request_id) as requests,
    avg(cast(logged_refuses as integer)) as refused_then,
    avg(cast(candidate_refuses as integer)) as refused_now,
    avg(logged_support) as supported_then,
    avg(candidate_support) as supported_now,
    sum(logged_cost_usd) as usd_then,
    sum(candidate_cost_usd) as usd_now,
    median(similarity) as similarity
from release.replays
group by incident, candidate
order by incident, candidate;
