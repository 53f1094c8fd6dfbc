-- One row per key whose spend jumps, and per prompt or conversation that goes round in circles.

with spikes as (
    select
        tenant,
        api_key_token,
        max(case when state = 'large_spike' then 1 else 0 end) as is_large,
        min(hour_start) as first_seen,
        max(hour_start) + interval '1' hour as last_seen,
        sum(requests) as n,
        max(contracted_amount) as amount,
        max_by(usual_amount, contracted_amount) as usual_amount,
        max_by(threshold_amount, contracted_amount) as threshold,
        -- A key that serves several features is one's concern where that one makes most of the dearest hour.
        nullif(
            max_by(
                case when 2 * top_feature_amount > contracted_amount then coalesce(top_feature, '') else '' end,
                contracted_amount
            ),
            ''
        ) as feature
    from service.cost_spikes
    where state in ('spike', 'large_spike')
    group by tenant, api_key_token
),

looping as (
    select
        kind,
        tenant,
        feature,
        api_key_token,
        nullif(max_by(coalesce(last_model, ''), requests), '') as model,
        count(*) as loops,
        min(first_seen) as first_seen,
        max(last_seen) as last_seen,
        sum(requests) as n,
        max(most_in_an_hour) as most_in_an_hour,
        max(requests) as most,
        max(most_input_tokens) as most_input_tokens,
        sum(contracted_amount) as amount
    from service.loops
    where state = 'loop'
    group by kind, tenant, feature, api_key_token
)

select
    cast($day as date) as day,
    -- A spike that grows large is news once more; whose feature it is says nothing of whether it is the same.
    finding_name(
        'cost_spike', null, null, null, tenant, coalesce(api_key_token, '') || case when is_large = 1 then ' large' else '' end
    ) as fingerprint,
    'cost_spike' as rule,
    case when is_large = 1 then 'page' else 'ticket' end as severity,
    coalesce(feature || ': ', '') || 'API key ' || coalesce('…' || right(api_key_token, 6), 'without a name') || ' of ' || coalesce(tenant, 'no tenant')
    || ' cost ' || cast(cast(amount as decimal(38, 2)) as string) || ' USD in an hour; its dear hours usually cost '
    || cast(cast(usual_amount as decimal(38, 2)) as string) || ' USD' as title,
    feature,
    cast(null as string) as model,
    cast(null as string) as prompt_version,
    tenant,
    api_key_token,
    cast(null as string) as slo,
    'cost' as cause_class,
    'spend' as component,
    first_seen,
    last_seen,
    n,
    cast(amount as double) as value,
    threshold,
    'USD' as unit,
    'docs/runbooks/cost-spike.md' as runbook,
    'select * from service.cost_spikes where ' || sql_equals('day', cast(cast($day as date) as string))
    || ' and ' || sql_equals('tenant', tenant) || ' and ' || sql_equals('api_key_token', api_key_token)
    || ' order by hour_start' as evidence,
    false as is_replayed_rule
from spikes
union all
select
    cast($day as date) as day,
    finding_name(kind, null, feature, null, tenant, coalesce(api_key_token, '')) as fingerprint,
    kind as rule,
    'ticket' as severity,
    coalesce(feature, 'no feature') || coalesce(', ' || model, '') || ': '
    || case
        when kind = 'prompt_loop'
            then cast(n as string) || ' requests of API key ' || coalesce('…' || right(api_key_token, 6), 'without a name')
                || ' repeat ' || cast(loops as string) || case when loops = 1 then ' prompt' else ' prompts' end
                || ', up to ' || cast(most_in_an_hour as string) || ' times in an hour'
        else 'a conversation of API key ' || coalesce('…' || right(api_key_token, 6), 'without a name') || ' grew for '
            || cast(most as string) || ' turns in a row, to ' || cast(most_input_tokens as string) || ' input tokens'
    end
    || coalesce(', and cost ' || cast(cast(amount as decimal(38, 2)) as string) || ' USD', ', at an unknown cost') as title,
    feature,
    model,
    cast(null as string) as prompt_version,
    tenant,
    api_key_token,
    cast(null as string) as slo,
    'cost' as cause_class,
    'gateway' as component,
    first_seen,
    last_seen,
    n,
    cast(case when kind = 'prompt_loop' then most_in_an_hour else most end as double) as value,
    cast(case when kind = 'prompt_loop' then 20 else 30 end as double) as threshold,
    'request' as unit,
    'docs/runbooks/prompt-loop.md' as runbook,
    'select * from service.loops where ' || sql_equals('day', cast(cast($day as date) as string))
    || ' and ' || sql_equals('kind', kind) || ' and ' || sql_equals('tenant', tenant)
    || ' and ' || sql_equals('feature', feature) || ' and ' || sql_equals('api_key_token', api_key_token)
    || ' order by requests desc' as evidence,
    false as is_replayed_rule
from looping
