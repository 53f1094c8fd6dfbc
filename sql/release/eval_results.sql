-- One row per run and part of its cases: how many answers passed, what they cost and how long they took.

with parts as (
    select 'all' as part, r.* from release.eval_runs as r
    union all
    select 'suite:' || r.suite as part, r.* from release.eval_runs as r
    union all
    select 'kind:' || r.kind as part, r.* from release.eval_runs as r
    union all
    select 'segment:' || r.segment as part, r.* from release.eval_runs as r where r.segment is not null
    union all
    select 'feature:' || r.feature as part, r.* from release.eval_runs as r where r.feature is not null
),

counted as (
    select
        run_id,
        part,
        min(asked_at) as begun_at,
        max(suite_digest) as suite_digest,
        max(version) as version,
        max(source) as source,
        count(distinct suite || '/' || case_id) as cases,
        count(*) as answers,
        sum(case when error_class is not null then 1 else 0 end) as unanswered,
        sum(case when passed is not null then 1 else 0 end) as judged,
        sum(case when passed then 1 else 0 end) as passed,
        sum(case when is_critical and not passed then 1 else 0 end) as critical_failures,
        sum(cost_usd) as cost_usd,
        count(cost_usd) as costed,
        percentile_cont(0.95) within group (order by latency_ms asc nulls last) as latency_p95_ms
    from parts
    group by run_id, part
)

select
    cast(run_id as string) as run_id,
    cast(begun_at as timestamp) as begun_at,
    cast(suite_digest as string) as suite_digest,
    cast(version as string) as version,
    cast(source as string) as source,
    cast(part as string) as part,
    cast(cases as bigint) as cases,
    cast(answers as bigint) as answers,
    cast(unanswered as bigint) as unanswered,
    cast(judged as bigint) as judged,
    cast(passed as bigint) as passed,
    cast(cast(passed as double) / nullif(judged, 0) as double) as pass_rate,
    cast(critical_failures as bigint) as critical_failures,
    cast(cost_usd as decimal(38, 12)) as cost_usd,
    cast(costed as bigint) as costed,
    cast(latency_p95_ms as double) as latency_p95_ms
from counted
