-- One row per hour (UTC), rule and window in which a share of requests or calls was surely too high.

with requests as (
    select s.*, date_trunc('hour', s.bucket_start) as hour_start
    from service.sli_5min as s
    left join service.features as f
        on f.feature = s.feature
    where is_counted_in(s.environment, f.environments)
),

waits as (
    select
        t.day,
        date_trunc('hour', t.bucket_start) as hour_start,
        t.bucket_start,
        t.model,
        t.prompt_version,
        t.n,
        case when log_bin_value(t.bin) > 5000 then t.n else 0 end as late
    from service.timing_5min as t
    left join service.features as f
        on f.feature = t.feature
    where
        t.measure = 'queue_ms'
        and is_counted_in(t.environment, f.environments)
),

calls as (
    select t.*
    from service.tool_hours as t
    left join service.features as f
        on f.feature = t.feature
    where is_counted_in(t.environment, f.environments)
),

hourly as (
    select
        'queue_backlog' as rule,
        day,
        hour_start,
        cast(null as string) as feature,
        model,
        cast(null as string) as tool_name,
        sum(n) as total,
        sum(late) as bad,
        min(case when late > 0 then prompt_version end) as first_version,
        max(case when late > 0 then prompt_version end) as last_version,
        min(case when late > 0 then bucket_start end) as first_bad_at
    from waits
    group by day, hour_start, model
    union all
    select
        'misrouting' as rule,
        day,
        hour_start,
        feature,
        cast(null as string) as model,
        cast(null as string) as tool_name,
        sum(route_measured) as total,
        sum(route_measured - routed_as_expected) as bad,
        min(case when route_measured > routed_as_expected then prompt_version end) as first_version,
        max(case when route_measured > routed_as_expected then prompt_version end) as last_version,
        min(case when route_measured > routed_as_expected then bucket_start end) as first_bad_at
    from requests
    group by day, hour_start, feature
    union all
    select
        'truncation' as rule,
        day,
        hour_start,
        feature,
        model,
        cast(null as string) as tool_name,
        sum(window_measured) as total,
        sum(window_truncated) as bad,
        min(case when window_truncated > 0 then prompt_version end) as first_version,
        max(case when window_truncated > 0 then prompt_version end) as last_version,
        min(case when window_truncated > 0 then bucket_start end) as first_bad_at
    from requests
    group by day, hour_start, feature, model
    union all
    select
        'tool_errors' as rule,
        day,
        hour_start,
        feature,
        cast(null as string) as model,
        tool_name,
        sum(status_measured) as total,
        sum(failed) as bad,
        cast(null as string) as first_version,
        cast(null as string) as last_version,
        min(case when failed > 0 then hour_start end) as first_bad_at
    from calls
    group by day, hour_start, feature, tool_name
),

usual as (
    select
        rule,
        feature,
        model,
        tool_name,
        cast(sum(bad) as double) / nullif(sum(total), 0) as share
    from hourly
    where day < cast($day as date) and rule <> 'queue_backlog'
    group by rule, feature, model, tool_name
    having sum(total) >= 100
),

six as (
    select
        *,
        sum(total) over (
            partition by rule, feature, model, tool_name
            order by hour_start nulls last
            range between interval '5' hour preceding and current row
        ) as total_of_six,
        sum(bad) over (
            partition by rule, feature, model, tool_name
            order by hour_start nulls last
            range between interval '5' hour preceding and current row
        ) as bad_of_six,
        min(first_version) over (
            partition by rule, feature, model, tool_name
            order by hour_start nulls last
            range between interval '5' hour preceding and current row
        ) as first_of_six,
        max(last_version) over (
            partition by rule, feature, model, tool_name
            order by hour_start nulls last
            range between interval '5' hour preceding and current row
        ) as last_of_six,
        min(first_bad_at) over (
            partition by rule, feature, model, tool_name
            order by hour_start nulls last
            range between interval '5' hour preceding and current row
        ) as first_bad_of_six
    from hourly
),

counted as (
    select
        rule, hour_start, feature, model, tool_name, 1 as window_hours, total, bad, first_version, last_version, first_bad_at
    from six
    where day = cast($day as date) and bad >= 6
    union all
    -- What is bad in six hours is found in an hour that adds to it.
    select
        rule, hour_start, feature, model, tool_name, 6 as window_hours, total_of_six, bad_of_six, first_of_six, last_of_six,
        first_bad_of_six
    from six
    where day = cast($day as date) and bad > 0 and bad_of_six >= 6
),

bounded as (
    select
        c.*,
        u.share as usual_share,
        greatest(
            case c.rule when 'misrouting' then 0.10e0 when 'tool_errors' then 0.25e0 else 0.05e0 end,
            2 * coalesce(u.share, 0)
        ) as threshold,
        -- Wilson's score bound: z = 3.0902 (one-sided 99.9 %), and z * z.
        (
            cast(c.bad as double) + 4.77476785304162e0
            - 3.090232306167813e0 * sqrt(cast(c.bad as double) * (c.total - c.bad) / nullif(cast(c.total as double), 0) + 2.38738392652081e0)
        ) / nullif(c.total + 9.54953570608324e0, 0) as lower_bound
    from counted as c
    left join usual as u
        on u.rule = c.rule
        and coalesce(u.feature, '') = coalesce(c.feature, '')
        and coalesce(u.model, '') = coalesce(c.model, '')
        and coalesce(u.tool_name, '') = coalesce(c.tool_name, '')
)

select
    cast($day as date) as day,
    cast(rule as string) as rule,
    cast(hour_start as timestamp with time zone) as hour_start,
    cast(window_hours as integer) as window_hours,
    cast(feature as string) as feature,
    cast(model as string) as model,
    cast(tool_name as string) as tool_name,
    cast(case when first_version = last_version then first_version end as string) as prompt_version,
    cast(first_bad_at as timestamp with time zone) as first_bad_at,
    cast(total as bigint) as total,
    cast(bad as bigint) as bad,
    cast(lower_bound as double) as lower_bound,
    cast(usual_share as double) as usual_share,
    cast(threshold as double) as threshold
from bounded
where lower_bound > threshold
