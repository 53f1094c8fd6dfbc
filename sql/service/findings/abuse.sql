-- One row per user or key that attacks or crawls, and per feature whose documents give orders to the model.

with
-- Patterns of one subject are one thing that somebody does.
abusing as (
    select
        a.subject,
        a.subject_token,
        nullif(max_by(coalesce(a.tenant, ''), a.events), '') as tenant,
        nullif(max_by(coalesce(a.feature, ''), a.events), '') as feature,
        nullif(max_by(coalesce(a.api_key_token, ''), a.events), '') as api_key_token,
        sum(case when a.pattern = 'injection' then a.events end) as attempts,
        sum(case when a.pattern = 'rephrasing' then a.events end) as rephrasings,
        sum(case when a.pattern = 'crawling' then a.different end) as documents,
        min(a.first_seen) as first_seen,
        max(a.last_seen) as last_seen,
        sum(a.events) as n,
        max(cast(case when a.pattern = 'crawling' then a.different else a.events end as double) / nullif(a.usual, 0)) as times_usual
    from quality.abuse as a
    left join service.features as f
        on f.feature = a.feature
    where a.severity = 'abuse' and is_counted_in(a.environment, f.environments)
    group by a.subject, a.subject_token
),

planted as (
    select
        i.feature,
        min(i.ts) as first_seen,
        max(i.ts) as last_seen,
        count(*) as n,
        count(distinct i.document_id) as documents,
        min(i.document_id) as first_document
    from quality.injections as i
    left join service.features as f
        on f.feature = i.feature
    where i.part = 'document' and i.score >= 0.7 and is_counted_in(i.environment, f.environments)
    group by i.feature
)

select
    cast($day as date) as day,
    finding_name('abuse', null, null, null, tenant, subject_token) as fingerprint,
    'abuse' as rule,
    'ticket' as severity,
    coalesce(feature, 'no feature') || ': ' || case subject when 'user' then 'user …' else 'API key …' end
    || right(subject_token, 6) || ' of ' || coalesce(tenant, 'no tenant')
    || coalesce(', ' || cast(attempts as string) || ' attempts to get round the rules', '')
    || coalesce(', ' || cast(rephrasings as string) || ' blocked questions that came through in other words', '')
    || coalesce(', ' || cast(documents as string) || ' different documents read', '')
    || ', up to ' || cast(cast(times_usual as decimal(38, 1)) as string) || ' times what is usual' as title,
    feature,
    cast(null as string) as model,
    cast(null as string) as prompt_version,
    tenant,
    api_key_token,
    cast(null as string) as slo,
    'safety' as cause_class,
    'safety_filter' as component,
    first_seen,
    last_seen,
    n,
    times_usual as value,
    cast(1 as double) as threshold,
    '1' as unit,
    'docs/runbooks/abuse.md' as runbook,
    'select * from quality.abuse where ' || sql_equals('day', cast(cast($day as date) as string))
    || ' and ' || sql_equals('subject_token', subject_token) || ' and ' || sql_equals('severity', 'abuse')
    || ' order by pattern' as evidence,
    false as is_replayed_rule
from abusing
union all
select
    cast($day as date) as day,
    finding_name('planted_instruction', null, feature, null, null, '') as fingerprint,
    'planted_instruction' as rule,
    'ticket' as severity,
    coalesce(feature, 'no feature') || ': ' || cast(documents as string)
    || case when documents = 1 then ' document reads' else ' documents read' end
    || ' like orders to the model, first ' || first_document || ', given to the model '
    || cast(n as string) || case when n = 1 then ' time' else ' times' end as title,
    feature,
    cast(null as string) as model,
    cast(null as string) as prompt_version,
    cast(null as string) as tenant,
    cast(null as string) as api_key_token,
    cast(null as string) as slo,
    'safety' as cause_class,
    'retrieval' as component,
    first_seen,
    last_seen,
    n,
    cast(documents as double) as value,
    cast(0 as double) as threshold,
    'document' as unit,
    'docs/runbooks/abuse.md' as runbook,
    'select * from quality.injections where ' || sql_equals('day', cast(cast($day as date) as string))
    || ' and ' || sql_equals('part', 'document') || ' and ' || sql_equals('feature', feature)
    || ' and score >= 0.7 order by score desc, ts' as evidence,
    false as is_replayed_rule
from planted
