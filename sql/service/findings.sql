-- One row per thing that a rule found on a day: from its first to its last hour, with figures, runbook and evidence.

with of_environment as (
    -- Where a feature names its environments, what happens in others concerns nobody.
    select e.*
    from service.safety_events as e
    left join service.features as f
        on f.feature = e.feature
    where is_counted_in(e.environment, f.environments)
),

spikes as (
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
),

unsafe as (
    select
        kind,
        feature,
        case when min(model) = max(model) then min(model) end as model,
        case when min(prompt_version) = max(prompt_version) then min(prompt_version) end as prompt_version,
        min(ts) as first_seen,
        max(ts) as last_seen,
        count(*) as n
    from of_environment
    group by kind, feature
),

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
),

-- A label is one right that is broken, whatever documents have it.
let_in as (
    select
        v.feature,
        v.access_label,
        min(v.ts) as first_seen,
        max(v.ts) as last_seen,
        count(*) as n,
        count(distinct v.document_id) as documents,
        count(distinct v.tenant) as tenants
    from retrieval.access_violations as v
    left join service.features as f
        on f.feature = v.feature
    where is_counted_in(v.environment, f.environments)
    group by v.feature, v.access_label
),

-- A release that a kill cut short was made again, and one that a person accepted went live after all.
held_back as (
    select
        r.index_name,
        max(r.release) as release,
        max_by(r.reason, r.release) as reason,
        count(*) as n
    from retrieval.index_releases as r
    left join (
        select index_name, max(release) as release
        from retrieval.index_releases
        where state = 'live' and what <> 'deletions'
        group by index_name
    ) as later
        on later.index_name = r.index_name and later.release > r.release
    where r.state = 'rejected' and r.reason not like 'it was cut short%' and later.index_name is null
    group by r.index_name
),

shares as (
    select
        rule,
        feature,
        model,
        tool_name,
        case when min(prompt_version) = max(prompt_version) then min(prompt_version) end as prompt_version,
        min(first_bad_at) as first_seen,
        -- An hour is in here only where it adds to what is bad.
        max(hour_start) + interval '1' hour as last_seen,
        max_by(bad, lower_bound) as bad,
        max_by(total, lower_bound) as total,
        max_by(window_hours, lower_bound) as window_hours,
        max_by(threshold, lower_bound) as threshold
    from service.share_breaches
    group by rule, feature, model, tool_name
),

calls as (
    select
        r.rule,
        t.feature,
        t.tool_name,
        min(t.hour_start) as first_seen,
        max(t.hour_start) + interval '1' hour as last_seen,
        sum(case when r.rule = 'undeclared_tool' then t.undeclared else t.unapproved end) as n
    from service.tool_hours as t
    cross join (values ('undeclared_tool'), ('unapproved_tool')) as r (rule)
    left join service.features as f
        on f.feature = t.feature
    where
        case when r.rule = 'undeclared_tool' then t.undeclared else t.unapproved end > 0
        and is_counted_in(t.environment, f.environments)
    group by r.rule, t.feature, t.tool_name
),

found as (
    select
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
        -- A spike that grows large is news once more.
        coalesce(api_key_token, '') || case when is_large = 1 then ' large' else '' end as subject,
        'cost' as cause_class,
        'spend' as component,
        first_seen,
        last_seen,
        n,
        cast(amount as double) as value,
        threshold,
        'USD' as unit,
        'cost-spike' as runbook,
        'select * from service.cost_spikes where ' || sql_equals('day', cast(cast($day as date) as string))
        || ' and ' || sql_equals('tenant', tenant) || ' and ' || sql_equals('api_key_token', api_key_token)
        || ' order by hour_start' as evidence
    from spikes
    union all
    select
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
        coalesce(api_key_token, '') as subject,
        'cost' as cause_class,
        'gateway' as component,
        first_seen,
        last_seen,
        n,
        cast(case when kind = 'prompt_loop' then most_in_an_hour else most end as double) as value,
        cast(case when kind = 'prompt_loop' then 20 else 30 end as double) as threshold,
        'request' as unit,
        'prompt-loop' as runbook,
        'select * from service.loops where ' || sql_equals('day', cast(cast($day as date) as string))
        || ' and ' || sql_equals('kind', kind) || ' and ' || sql_equals('tenant', tenant)
        || ' and ' || sql_equals('feature', feature) || ' and ' || sql_equals('api_key_token', api_key_token)
        || ' order by requests desc' as evidence
    from looping
    union all
    select
        kind as rule,
        'page' as severity,
        coalesce(feature, 'no feature') || coalesce(', ' || model, '') || coalesce(', prompt ' || prompt_version, '') || ': '
        || case kind
            when 'filter_bypass' then 'requests that the safety filter blocked and that were answered all the same, '
            when 'canary_leak' then 'answers with a mark of the system prompt, '
            when 'document_leak' then 'answers with a mark of a document, '
            else 'answers with personal data or secrets that nobody had given, '
        end
        || cast(n as string) || ' on ' || cast(cast($day as date) as string) as title,
        feature,
        model,
        prompt_version,
        cast(null as string) as tenant,
        cast(null as string) as api_key_token,
        '' as subject,
        case when kind = 'pii_in_output' then 'compliance' else 'safety' end as cause_class,
        case kind when 'canary_leak' then 'prompt' when 'document_leak' then 'retrieval' else 'safety_filter' end as component,
        first_seen,
        last_seen,
        n,
        cast(n as double) as value,
        cast(0 as double) as threshold,
        'request' as unit,
        case when kind = 'filter_bypass' then 'safety-filter-failure' else 'data-leak' end as runbook,
        'select * from service.safety_events where ' || sql_equals('day', cast(cast($day as date) as string))
        || ' and ' || sql_equals('kind', kind) || ' and ' || sql_equals('feature', feature) || ' order by ts' as evidence
    from unsafe
    union all
    select
        rule,
        'ticket' as severity,
        case when rule = 'queue_backlog' then 'all features' else coalesce(feature, 'no feature') end
        || coalesce(', ' || model, case when rule in ('queue_backlog', 'truncation') then ', no model' else '' end)
        || coalesce(', prompt ' || prompt_version, '') || ': ' || cast(bad as string) || ' of ' || cast(total as string)
        || case rule when 'truncation' then ' prompts' when 'tool_errors' then ' calls of ' || tool_name else ' requests' end
        || ' in ' || cast(window_hours as string) || ' h '
        || case rule
            when 'queue_backlog' then 'waited longer than 5 s in the queue'
            when 'misrouting' then 'took another route than expected'
            when 'truncation' then 'were cut to fit the window'
            else 'failed'
        end
        || ' (limit ' || cast(round(100 * threshold, 1) as string) || ' %)' as title,
        feature,
        model,
        prompt_version,
        cast(null as string) as tenant,
        cast(null as string) as api_key_token,
        coalesce(tool_name, '') as subject,
        case when rule = 'truncation' then 'data' else 'infrastructure' end as cause_class,
        case rule
            when 'queue_backlog' then 'queue'
            when 'misrouting' then 'router'
            when 'truncation' then 'prompt'
            else 'tools'
        end as component,
        first_seen,
        last_seen,
        bad as n,
        cast(bad as double) / nullif(total, 0) as value,
        threshold,
        '1' as unit,
        case rule
            when 'queue_backlog' then 'queue-backlog'
            when 'misrouting' then 'misrouting'
            when 'truncation' then 'truncation'
            else 'tool-calls'
        end as runbook,
        'select * from service.share_breaches where ' || sql_equals('day', cast(cast($day as date) as string))
        || ' and ' || sql_equals('rule', rule) || ' and ' || sql_equals('feature', feature)
        || ' and ' || sql_equals('model', model) || ' and ' || sql_equals('tool_name', tool_name)
        || ' order by hour_start, window_hours' as evidence
    from shares
    union all
    select
        rule,
        'ticket' as severity,
        coalesce(feature, 'no feature') || ': calls of ' || tool_name
        || case when rule = 'undeclared_tool' then ', which the feature does not declare, ' else ' that nobody had approved, ' end
        || cast(n as string) || ' on ' || cast(cast($day as date) as string) as title,
        feature,
        cast(null as string) as model,
        cast(null as string) as prompt_version,
        cast(null as string) as tenant,
        cast(null as string) as api_key_token,
        tool_name as subject,
        'compliance' as cause_class,
        'tools' as component,
        first_seen,
        last_seen,
        n,
        cast(n as double) as value,
        cast(0 as double) as threshold,
        'call' as unit,
        'tool-calls' as runbook,
        'select * from service.tool_hours where ' || sql_equals('day', cast(cast($day as date) as string))
        || ' and ' || sql_equals('feature', feature) || ' and ' || sql_equals('tool_name', tool_name)
        || case when rule = 'undeclared_tool' then ' and undeclared > 0' else ' and unapproved > 0' end
        || ' order by hour_start' as evidence
    from calls
    union all
    select
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
        subject_token as subject,
        'safety' as cause_class,
        'safety_filter' as component,
        first_seen,
        last_seen,
        n,
        times_usual as value,
        cast(1 as double) as threshold,
        '1' as unit,
        'abuse' as runbook,
        'select * from quality.abuse where ' || sql_equals('day', cast(cast($day as date) as string))
        || ' and ' || sql_equals('subject_token', subject_token) || ' and ' || sql_equals('severity', 'abuse')
        || ' order by pattern' as evidence
    from abusing
    union all
    select
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
        '' as subject,
        'safety' as cause_class,
        'retrieval' as component,
        first_seen,
        last_seen,
        n,
        cast(documents as double) as value,
        cast(0 as double) as threshold,
        'document' as unit,
        'abuse' as runbook,
        'select * from quality.injections where ' || sql_equals('day', cast(cast($day as date) as string))
        || ' and ' || sql_equals('part', 'document') || ' and ' || sql_equals('feature', feature)
        || ' and score >= 0.7 order by score desc, ts' as evidence
    from planted
    union all
    select
        'access_violation' as rule,
        'page' as severity,
        coalesce(feature, 'no feature') || ': ' || cast(documents as string)
        || case when documents = 1 then ' document' else ' documents' end || ' labelled ' || access_label
        || ', found ' || cast(n as string) || case when n = 1 then ' time' else ' times' end || ' for callers of '
        || cast(tenants as string) || case when tenants = 1 then ' tenant' else ' tenants' end
        || ' who may not receive what has this label' as title,
        feature,
        cast(null as string) as model,
        cast(null as string) as prompt_version,
        cast(null as string) as tenant,
        cast(null as string) as api_key_token,
        access_label as subject,
        'compliance' as cause_class,
        'retrieval' as component,
        first_seen,
        last_seen,
        n,
        cast(documents as double) as value,
        cast(0 as double) as threshold,
        'document' as unit,
        'access-violation' as runbook,
        'select * from retrieval.access_violations where ' || sql_equals('day', cast(cast($day as date) as string))
        || ' and ' || sql_equals('feature', feature) || ' and ' || sql_equals('access_label', access_label)
        || ' order by ts' as evidence
    from let_in
    union all
    select
        'index_held_back' as rule,
        'ticket' as severity,
        'index ' || index_name || ': release ' || cast(release as string) || ' was held back, '
        || 'the one before answers: ' || reason as title,
        cast(null as string) as feature,
        cast(null as string) as model,
        cast(null as string) as prompt_version,
        cast(null as string) as tenant,
        cast(null as string) as api_key_token,
        index_name as subject,
        'data' as cause_class,
        'retrieval' as component,
        cast(cast($day as date) as timestamp with time zone) as first_seen,
        cast(cast($day as date) as timestamp with time zone) + interval '1' day as last_seen,
        n,
        cast(n as double) as value,
        cast(0 as double) as threshold,
        'release' as unit,
        'index-release' as runbook,
        'select * from retrieval.index_releases where ' || sql_equals('day', cast(cast($day as date) as string))
        || ' and ' || sql_equals('index_name', index_name) || ' and ' || sql_equals('state', 'rejected')
        || ' order by release desc' as evidence
    from held_back
),

firing as (
    select
        day,
        slo,
        feature,
        rule,
        min(severity) as severity,
        min(first_firing_at) as first_seen,
        max(last_firing_at) as last_seen,
        max_by(long_bad, long_burn_rate) as bad,
        max_by(long_total, long_burn_rate) as total,
        max(long_burn_rate) as burn_rate,
        max_by(factor, long_burn_rate) as factor,
        max(long_window_min) as long_window_min,
        max(short_window_min) as short_window_min,
        nullif(max_by(coalesce(top_model, ''), long_burn_rate), '') as model
    from service.burn_rates
    where state = 'firing'
    group by day, slo, feature, rule
),

-- One burn makes several rules fire: the loudest names it, page before ticket, fast before slow.
ranked as (
    select
        *,
        row_number() over (
            partition by day, slo, feature
            order by severity nulls last, long_window_min nulls last, factor desc, rule nulls last
        ) as place,
        count(*) over (partition by day, slo, feature) as rules,
        min(first_seen) over (partition by day, slo, feature, severity) as first_as_loud,
        -- A rule goes on firing until its short window is clear: that long a slow one says nothing new.
        max(
            case short_window_min
                when 360 then last_seen - interval '6' hour
                when 120 then last_seen - interval '2' hour
                else last_seen
            end
        ) over (partition by day, slo, feature) as last_of_all
    from firing
),

loudest as (
    select
        *,
        greatest(last_seen, last_of_all) as last_as_known,
        lag(greatest(last_seen, last_of_all)) over (partition by slo, feature order by day nulls last) as last_before
    from ranked
    where place = 1
),

episodes as (
    select
        *,
        sum(case when last_before >= first_as_loud - interval '24' hour then 0 else 1 end)
            over (partition by slo, feature order by day nulls last) as episode
    from loudest
),

-- What grows from ticket to page is news once more. What fades from page to ticket is not: it stays what it was.
burning as (
    select
        *,
        max(case when severity = 'page' then 1 else 0 end)
            over (partition by slo, feature, episode order by day nulls last) as was_page
    from episodes
),

-- The golden prompts of an endpoint are one thing, whatever of their answers moved.
probed as (
    select
        endpoint,
        max_by(title, abs(effect) / nullif(floor, 0)) as title,
        count(*) as metrics,
        min(window_first_day) as since_day,
        max(n) as n,
        max_by(effect, abs(effect) / nullif(floor, 0)) as effect,
        max_by(floor, abs(effect) / nullif(floor, 0)) as floor
    from drift.provider_tests
    where is_alarm
    group by endpoint
),

-- What came into use on one day came for one reason.
undeclared as (
    select
        feature,
        kind,
        first_seen_day,
        max_by(title, n) as title,
        count(*) as versions,
        sum(n) as n,
        sum(share) as share
    from drift.config_drift
    where is_alarm
    group by feature, kind, first_seen_day
),

-- A release by itself is no news: of a version that nobody declared, drift.config tells.
more_than_a_version as (
    select change_id
    from drift.changes
    where metric not in ('prompt_version', 'index_version', 'embedder_version')
    group by change_id
),

-- drift.changes has put the verdicts together: the first of each change names it, and its evidence shows the others.
drifting as (
    select
        'drift.' || change_family as rule,
        ticket as title,
        case when segment_kind = 'feature' and segment <> '(others)' then segment end as feature,
        case when segment_kind = 'model' and segment <> '(others)' then segment end as model,
        case when segment_kind = 'tenant' and segment <> '(others)' then segment end as tenant,
        -- The change has one name, whoever names it tonight.
        'drift' as rule_part,
        cast(null as string) as feature_part,
        change_id as subject,
        cause_class,
        component,
        change_since_day as since_day,
        n,
        effect as value,
        floor as threshold,
        -- Standard deviations; else a distance, or a share.
        case when family = 'numeric' then 'sd' else '1' end as unit,
        'drift.changes where ' || sql_equals('day', cast(cast($day as date) as string))
        || ' and ' || sql_equals('change_id', change_id) || ' order by place' as shown
    from drift.changes
    where place = 1 and change_id in (select change_id from more_than_a_version)
    union all
    select
        'drift.provider' as rule,
        title || case metrics
            when 1 then ''
            when 2 then '; 1 more metric moved'
            else '; ' || cast(metrics - 1 as string) || ' more metrics moved'
        end as title,
        cast(null as string) as feature,
        cast(null as string) as model,
        cast(null as string) as tenant,
        'drift.provider' as rule_part,
        cast(null as string) as feature_part,
        endpoint as subject,
        'model' as cause_class,
        'provider' as component,
        since_day,
        n,
        effect as value,
        floor as threshold,
        '1' as unit,
        'drift.provider_tests where ' || sql_equals('day', cast(cast($day as date) as string))
        || ' and ' || sql_equals('endpoint', endpoint) || ' and is_alarm order by metric' as shown
    from probed
    union all
    select
        'drift.config' as rule,
        title || case versions
            when 1 then ''
            when 2 then '; 1 more is in use since that day'
            else '; ' || cast(versions - 1 as string) || ' more are in use since that day'
        end as title,
        nullif(feature, '') as feature,
        cast(null as string) as model,
        cast(null as string) as tenant,
        'drift.config' as rule_part,
        nullif(feature, '') as feature_part,
        kind || ' ' || cast(first_seen_day as string) as subject,
        case when kind in ('embedder_version', 'index_version') then 'data' else 'model' end as cause_class,
        case kind
            when 'prompt_version' then 'prompt'
            when 'embedder_version' then 'retrieval'
            when 'index_version' then 'retrieval'
            else 'provider'
        end as component,
        first_seen_day as since_day,
        n,
        share as value,
        cast(0 as double) as threshold,
        '1' as unit,
        'drift.config_drift where ' || sql_equals('day', cast(cast($day as date) as string))
        || ' and ' || sql_equals('feature', feature) || ' and ' || sql_equals('kind', kind)
        || ' and is_alarm order by n desc' as shown
    from undeclared
),

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
),

all_found as (
    select
        rule,
        severity,
        title,
        feature,
        model,
        prompt_version,
        tenant,
        api_key_token,
        cast(null as string) as slo,
        cause_class,
        component,
        first_seen,
        last_seen,
        n,
        value,
        threshold,
        unit,
        'docs/runbooks/' || runbook || '.md' as runbook,
        evidence,
        false as is_replayed_rule,
        -- A model belongs to what is found where the rule looks at models one by one.
        case when rule in ('queue_backlog', 'truncation') then model end as model_part,
        -- Whose feature a spike is says nothing of whether it is the same.
        rule as rule_part,
        case when rule not in ('cost_spike', 'abuse') then feature end as feature_part,
        tenant as tenant_part,
        subject
    from found
    union all
    select
        'burn_rate.' || b.rule as rule,
        b.severity,
        b.feature || ', ' || b.slo || coalesce(', mostly ' || b.model, '') || ': ' || cast(b.bad as string) || ' of '
        || cast(b.total as string) || ' bad in ' || cast(cast(b.long_window_min / 60 as integer) as string)
        || ' h, budget burns ' || cast(cast(b.burn_rate as decimal(38, 1)) as string) || ' x (promised '
        || cast(round(100 * s.target, 6) as string) || ' %)'
        || case b.rules
            when 1 then ''
            when 2 then '; 1 more rule fires'
            else '; ' || cast(b.rules - 1 as string) || ' more rules fire'
        end as title,
        b.feature,
        b.model,
        cast(null as string) as prompt_version,
        cast(null as string) as tenant,
        cast(null as string) as api_key_token,
        b.slo,
        s.cause_class,
        s.component,
        b.first_as_loud as first_seen,
        b.last_as_known as last_seen,
        b.bad as n,
        b.burn_rate as value,
        b.factor as threshold,
        '1' as unit,
        s.runbook,
        'select * from service.burn_rates where ' || sql_equals('day', cast(cast($day as date) as string))
        || ' and ' || sql_equals('slo', b.slo) || ' and ' || sql_equals('feature', b.feature)
        || ' and ' || sql_equals('state', 'firing') || ' order by rule, hour_start' as evidence,
        true as is_replayed_rule,
        cast(null as string) as model_part,
        'burn_rate' as rule_part,
        b.feature as feature_part,
        cast(null as string) as tenant_part,
        case when b.was_page = 1 then 'page' else '' end as subject
    from burning as b
    inner join service.slos as s
        on s.slo = b.slo and s.feature = b.feature
    where b.day = cast($day as date)
    union all
    select
        rule,
        'ticket' as severity,
        title,
        feature,
        model,
        cast(null as string) as prompt_version,
        tenant,
        cast(null as string) as api_key_token,
        cast(null as string) as slo,
        cause_class,
        component,
        cast(since_day as timestamp with time zone) as first_seen,
        cast(cast($day as date) as timestamp with time zone) + interval '1' day as last_seen,
        n,
        value,
        threshold,
        unit,
        'docs/runbooks/drift.md' as runbook,
        'select * from ' || shown as evidence,
        false as is_replayed_rule,
        cast(null as string) as model_part,
        rule_part,
        feature_part,
        cast(null as string) as tenant_part,
        subject
    from drifting
    union all
    select
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
        false as is_replayed_rule,
        model as model_part,
        rule as rule_part,
        feature as feature_part,
        cast(null as string) as tenant_part,
        subject
    from misjudged
)

select
    cast($day as date) as day,
    cast(
        rule_part || '|' || replace(replace(coalesce(slo, ''), '%', '%25'), '|', '%7C')
        || '|' || replace(replace(coalesce(feature_part, ''), '%', '%25'), '|', '%7C')
        || '|' || replace(replace(coalesce(model_part, ''), '%', '%25'), '|', '%7C')
        || '|' || replace(replace(coalesce(tenant_part, ''), '%', '%25'), '|', '%7C')
        || '|' || replace(replace(subject, '%', '%25'), '|', '%7C') as string
    ) as fingerprint,
    cast(rule as string) as rule,
    cast(severity as string) as severity,
    cast(title as string) as title,
    cast(feature as string) as feature,
    cast(model as string) as model,
    cast(prompt_version as string) as prompt_version,
    cast(tenant as string) as tenant,
    cast(api_key_token as string) as api_key_token,
    cast(slo as string) as slo,
    cast(cause_class as string) as cause_class,
    cast(component as string) as component,
    cast(first_seen as timestamp with time zone) as first_seen,
    cast(last_seen as timestamp with time zone) as last_seen,
    cast(n as bigint) as n,
    cast(value as double) as value,
    cast(threshold as double) as threshold,
    cast(unit as string) as unit,
    cast(runbook as string) as runbook,
    cast(evidence as string) as evidence,
    cast(is_replayed_rule as boolean) as is_replayed_rule
from all_found
