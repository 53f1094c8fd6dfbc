-- One row per verdict of people that got worse: in a prompt version, else a feature, else a model, else in all.

with
-- A version that makes things up shows in its feature, in its models and in all: what is narrowest is named.
worsened as (
    select
        *,
        row_number() over (
            partition by verdict, scope, feature, prompt_version, model order by p_value nulls last, window_days nulls last
        ) as place,
        min(breadth) over (partition by verdict, feature) as narrowest_of_feature,
        min(breadth) over (partition by verdict) as narrowest
    from (
        select
            *,
            case scope when 'prompt_version' then 1 when 'feature' then 2 when 'model' then 3 else 4 end as breadth,
            -- Of a good verdict the worse is the lower.
            greatest(difference_low, -difference_high) as least_change
        from quality.rate_changes
        where state = 'worse'
    ) as worse
),

misjudged as (
    select
        case w.verdict when 'hallucinated' then 'hallucination_rise' else 'quality_fall' end as rule,
        case when f.risk_class = 'high' and w.least_change >= 0.05 then 'page' else 'ticket' end as severity,
        case w.scope when 'model' then w.model when 'all' then 'all features' else coalesce(w.feature, 'no feature') end
        || case when w.scope = 'prompt_version' then coalesce(', prompt ' || w.prompt_version, ', no prompt version') else '' end
        || ': ' || cast(cast(100 * w.rate as decimal(38, 1)) as string) || ' % of the answers of '
        || case w.window_days when 1 then '1 day' else cast(w.window_days as string) || ' days' end
        || ' judged ' || w.verdict || ', ' || cast(cast(100 * w.reference_rate as decimal(38, 1)) as string)
        || case w.compared_with when 'other_versions' then ' % with earlier versions' else ' % in the weeks before' end
        || ' (change ' || cast(cast(100 * w.difference_low as decimal(38, 1)) as string) || ' to '
        || cast(cast(100 * w.difference_high as decimal(38, 1)) as string) || ' points, from '
        || cast(w.n_labelled as string) || ' labelled answers)' as title,
        w.feature,
        w.model,
        w.prompt_version,
        case when w.verdict in ('safety_pass', 'toxic') then 'safety' else 'model' end as cause_class,
        case when w.scope in ('model', 'all') then 'provider' else 'prompt' end as component,
        case w.window_days
            when 1 then cast(cast($day as date) as timestamp with time zone)
            when 2 then cast(cast($day as date) as timestamp with time zone) - interval '1' day
            else cast(cast($day as date) as timestamp with time zone) - interval '2' day
        end as first_seen,
        cast(cast($day as date) as timestamp with time zone) + interval '1' day as last_seen,
        w.n_labelled as n,
        w.rate as value,
        w.reference_rate as threshold,
        case w.verdict
            when 'hallucinated' then coalesce(w.prompt_version, '')
            else w.verdict || coalesce(' ' || w.prompt_version, '')
        end as subject,
        'select * from quality.rate_changes where ' || sql_equals('day', cast(cast($day as date) as string))
        || ' and ' || sql_equals('verdict', w.verdict) || ' and ' || sql_equals('scope', w.scope)
        || ' and ' || sql_equals('feature', w.feature) || ' and ' || sql_equals('prompt_version', w.prompt_version)
        || ' and ' || sql_equals('model', w.model) || ' order by window_days' as evidence
    from worsened as w
    left join service.features as f
        on w.feature = f.feature
    where w.place = 1 and w.breadth = w.narrowest_of_feature and (w.breadth <= 2 or w.narrowest >= 3)
)

select
    cast($day as date) as day,
    finding_name(rule, null, feature, model, null, subject) as fingerprint,
    rule,
    severity,
    title,
    feature,
    model,
    prompt_version,
    cast(null as string) as tenant,
    cast(null as string) as api_key_token,
    cast(null as string) as slo,
    cause_class,
    component,
    first_seen,
    last_seen,
    n,
    value,
    threshold,
    '1' as unit,
    'docs/runbooks/hallucination-surge.md' as runbook,
    evidence,
    false as is_replayed_rule
from misjudged
