-- One row per feature with a failure on the day: the findings of the tests of alerts.

select
    cast($day as date) as day,
    cast(
        case when error_code = 'leak' then 'canary_leak' when error_code = 'burn' then 'burn_rate.page_fast'
            when error_code = 'slow' then 'slowness' else 'burst' end
        || '||' || feature || '|||' as string
    ) as fingerprint,
    cast(
        case when error_code = 'leak' then 'canary_leak' when error_code = 'burn' then 'burn_rate.page_fast'
            when error_code = 'slow' then 'slowness' else 'burst' end
        as string
    ) as rule,
    cast(case when error_code = 'slow' then 'ticket' else 'page' end as string) as severity,
    cast(cast(count(*) as string) || ' requests of ' || feature || ' failed' as string) as title,
    cast(feature as string) as feature,
    cast(max(coalesce(request_model, response_model)) as string) as model,
    cast(null as string) as prompt_version,
    cast(null as string) as tenant,
    cast(null as string) as api_key_token,
    cast(null as string) as slo,
    cast(case when error_code = 'leak' then 'safety' else 'infrastructure' end as string) as cause_class,
    cast('gateway' as string) as component,
    cast(min(ts) as timestamp with time zone) as first_seen,
    cast(max(ts) as timestamp with time zone) as last_seen,
    cast(count(*) as bigint) as n,
    cast(count(*) as double) as value,
    cast(0 as double) as threshold,
    cast('request' as string) as unit,
    cast('docs/runbooks/latency.md' as string) as runbook,
    cast('select * from logs.requests where error_class is not null' as string) as evidence,
    cast(error_code = 'burn' as boolean) as is_replayed_rule
from logs.requests
where day = cast($day as date) and error_class is not null and error_code is not null
group by feature, error_code
