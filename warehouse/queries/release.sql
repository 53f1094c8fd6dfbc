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
