-- One row per day, feature, environment, version of a prompt in its first week and metric: its first days, and the version before.
with buckets as (
    select
        day,
        feature,
        coalesce(environment, '') as environment,
        prompt_version,
        bucket_start,
        date_trunc('hour', bucket_start) as hour,
        requests,
        valid_requests,
        healthy_requests,
        refusals,
        finish_measured,
        output_capped,
        safety_measured,
        safety_blocked,
        latency_n,
        latency_over_5120ms,
        time_to_first_token_n,
        time_to_first_token_over_1000ms,
        output_tokens_n,
        output_tokens
    from service.sli_5min
    where feature is not null and prompt_version is not null
),

spans as (
    select feature, environment, prompt_version, min(day) as first_day, min(bucket_start) as live_since
    from buckets
    group by feature, environment, prompt_version
),

-- New is what begins within a week up to the day, and was not seen for the week before that at least.
new_versions as (
    select feature, environment, prompt_version, first_day, live_since
    from spans
    where first_day >= cast($day as date) - interval '6' day
),

-- The version before is the one that most requests of the week before named.
candidates as (
    select
        v.feature,
        v.environment,
        v.prompt_version,
        v.first_day,
        v.live_since,
        b.prompt_version as before_version,
        min(b.bucket_start) as before_from,
        row_number() over (
            partition by v.feature, v.environment, v.prompt_version
            order by sum(b.requests) desc, b.prompt_version nulls last
        ) as place
    from new_versions as v
    inner join buckets as b
        on
            b.feature = v.feature and b.environment = v.environment and b.prompt_version <> v.prompt_version
            and b.bucket_start < v.live_since and b.bucket_start >= v.live_since - interval '7' day
    group by v.feature, v.environment, v.prompt_version, v.first_day, v.live_since, b.prompt_version
),

releases as (
    select feature, environment, prompt_version, first_day, live_since, before_version, before_from
    from candidates
    where place = 1
),

-- Which requests are whose: those of the new version from its first on, those of the one before until then.
sides as (
    select
        feature,
        environment,
        prompt_version,
        prompt_version as version,
        'after' as side,
        live_since as start_at,
        cast(null as timestamp with time zone) as end_at
    from releases
    union all
    select
        feature,
        environment,
        prompt_version,
        before_version as version,
        'before' as side,
        before_from as start_at,
        live_since as end_at
    from releases
),

metrics as (
    select metric, is_share
    from (
        values
        ('failed_share', true),
        ('refused_share', true),
        ('blocked_share', true),
        ('capped_share', true),
        ('slow_share', true),
        ('late_first_token_share', true),
        ('output_tokens', false)
    ) as metrics (metric, is_share)
),

counted as (
    select
        s.feature,
        s.environment,
        s.prompt_version,
        s.side,
        b.hour,
        m.metric,
        m.is_share,
        cast(
            sum(
                case m.metric
                    when 'failed_share' then b.valid_requests - b.healthy_requests
                    when 'refused_share' then b.refusals
                    when 'blocked_share' then b.safety_blocked
                    when 'capped_share' then b.output_capped
                    when 'slow_share' then b.latency_over_5120ms
                    when 'late_first_token_share' then b.time_to_first_token_over_1000ms
                    when 'output_tokens' then coalesce(b.output_tokens, 0)
                end
            ) as double
        ) as x,
        cast(
            sum(
                case m.metric
                    when 'failed_share' then b.valid_requests
                    when 'refused_share' then b.requests
                    when 'blocked_share' then b.safety_measured
                    when 'capped_share' then b.finish_measured
                    when 'slow_share' then b.latency_n
                    when 'late_first_token_share' then b.time_to_first_token_n
                    when 'output_tokens' then b.output_tokens_n
                end
            ) as double
        ) as n
    from sides as s
    inner join buckets as b
        on
            b.feature = s.feature and b.environment = s.environment and b.prompt_version = s.version
            and b.bucket_start >= s.start_at and (s.end_at is null or b.bucket_start < s.end_at)
    cross join metrics as m
    group by s.feature, s.environment, s.prompt_version, s.side, b.hour, m.metric, m.is_share
),

paid as (
    select
        s.feature,
        s.environment,
        s.prompt_version,
        s.side,
        date_trunc('hour', c.bucket_start) as hour,
        'cost_usd' as metric,
        false as is_share,
        -- What could not be priced is in neither: its cost is not known, and it is no cheap request.
        cast(sum(case when c.state <> 'unpriced' then coalesce(c.contracted_amount, 0) else 0 end) as double) as x,
        cast(sum(case when c.state <> 'unpriced' then c.requests else 0 end) as double) as n
    from sides as s
    inner join cost.cost_15min as c
        on
            c.feature = s.feature and coalesce(c.environment, '') = s.environment and c.prompt_version = s.version
            and c.bucket_start >= s.start_at - interval '15' minute and (s.end_at is null or c.bucket_start < s.end_at)
    group by s.feature, s.environment, s.prompt_version, s.side, date_trunc('hour', c.bucket_start)
),

-- A thumb, by the user: up or down.
liked as (
    select
        s.feature,
        s.environment,
        s.prompt_version,
        s.side,
        date_trunc('hour', r.ts) as hour,
        'liked_share' as metric,
        true as is_share,
        cast(sum(f.feedback_value) as double) as x,
        cast(count(f.feedback_value) as double) as n
    from logs.feedback as f
    inner join logs.requests as r
        on f.request_id = r.request_id and f.request_day = r.day
    inner join sides as s
        on
            s.feature = r.feature and s.environment = coalesce(r.environment, '') and s.version = r.prompt_version
            and r.ts >= s.start_at and (s.end_at is null or r.ts < s.end_at)
    where
        f.state = 'matched' and coalesce(r.is_shadow, false) = false
        and f.feedback_kind = 'rating' and f.feedback_by = 'user' and f.feedback_unit is null and f.feedback_value in (0, 1)
    group by s.feature, s.environment, s.prompt_version, s.side, date_trunc('hour', r.ts)
),

hourly as (
    select * from counted
    union all
    select * from paid
    union all
    select * from liked
),

-- A ratio of sums over hours, and its variance between hours: requests of one hour fail, or are slow, together.
ratios as (
    select
        feature,
        environment,
        prompt_version,
        side,
        metric,
        is_share,
        sum(x) / nullif(sum(n), 0) as value,
        sum(n) as n,
        sum(case when n > 0 then 1 else 0 end) as hours
    from hourly
    group by feature, environment, prompt_version, side, metric, is_share
),

spread as (
    select
        r.feature,
        r.environment,
        r.prompt_version,
        r.side,
        r.metric,
        r.is_share,
        r.value,
        r.n,
        r.hours,
        sum(power(h.x - r.value * h.n, 2)) / nullif(power(r.n, 2), 0) * r.hours / nullif(r.hours - 1, 0) as variance
    from ratios as r
    inner join hourly as h
        on
            h.feature = r.feature and h.environment = r.environment and h.prompt_version = r.prompt_version
            and h.side = r.side and h.metric = r.metric
    where r.n > 0 and r.value is not null
    group by r.feature, r.environment, r.prompt_version, r.side, r.metric, r.is_share, r.value, r.n, r.hours
),

-- Of a share, as many requests as would say as much if they were independent; never more than there are.
weighed as (
    select
        *,
        case
            when is_share
                then n / nullif(greatest(1e0, coalesce(variance * n / nullif(value * (1 - value), 0), 1e0)), 0)
        end as n_effective,
        -- Student's t for as many hours less one, as in service.outcome_rates; of fewer than five, a mean has no interval.
        case
            when hours >= 5
                then (
                    1.959963984540054e0
                    + 2.372271230e0 / nullif(hours - 1, 0)
                    + 2.822502e0 / nullif(power(hours - 1, 2), 0)
                    + 2.555850e0 / nullif(power(hours - 1, 3), 0)
                ) * sqrt(variance)
        end as half_width
    from spread
),

timings as (
    select
        s.feature,
        s.environment,
        s.prompt_version,
        s.side,
        date_trunc('hour', t.bucket_start) as hour,
        t.bin,
        sum(t.n) as n
    from sides as s
    inner join service.timing_5min as t
        on
            t.feature = s.feature and coalesce(t.environment, '') = s.environment and t.prompt_version = s.version
            and t.bucket_start >= s.start_at and (s.end_at is null or t.bucket_start < s.end_at)
    where t.measure = 'latency_ms'
    group by s.feature, s.environment, s.prompt_version, s.side, date_trunc('hour', t.bucket_start), t.bin
),

ranked as (
    select
        feature,
        environment,
        prompt_version,
        side,
        bin,
        sum(sum(n)) over (
            partition by feature, environment, prompt_version, side order by bin nulls last
            rows between unbounded preceding and current row
        ) as n_up_to,
        sum(sum(n)) over (partition by feature, environment, prompt_version, side) as n_all
    from timings
    group by feature, environment, prompt_version, side, bin
),

middles as (
    select feature, environment, prompt_version, side, n_all, min(case when n_up_to >= 0.95 * n_all then bin end) as bin
    from ranked
    group by feature, environment, prompt_version, side, n_all
),

-- How much more the share above the quantile varies between hours than it would of independent requests.
beyond as (
    select
        m.feature,
        m.environment,
        m.prompt_version,
        m.side,
        m.n_all,
        m.bin,
        t.hour,
        cast(sum(t.n) as double) as n,
        cast(sum(case when t.bin > m.bin then t.n else 0 end) as double) as x
    from middles as m
    inner join timings as t
        on
            t.feature = m.feature and t.environment = m.environment and t.prompt_version = m.prompt_version
            and t.side = m.side
    group by m.feature, m.environment, m.prompt_version, m.side, m.n_all, m.bin, t.hour
),

shares_beyond as (
    select feature, environment, prompt_version, side, n_all, bin, count(*) as hours, sum(x) / nullif(sum(n), 0) as share
    from beyond
    group by feature, environment, prompt_version, side, n_all, bin
),

levels as (
    select
        p.feature,
        p.environment,
        p.prompt_version,
        p.side,
        p.n_all,
        p.bin,
        p.hours,
        1.959963984540054e0 * sqrt(
            0.0475e0 / nullif(cast(p.n_all as double), 0) * greatest(
                1e0,
                coalesce(
                    sum(power(b.x - p.share * b.n, 2)) * p.hours / nullif(p.hours - 1, 0)
                    / nullif(cast(p.n_all as double) * p.share * (1 - p.share), 0),
                    1e0
                )
            )
        ) as width
    from shares_beyond as p
    inner join beyond as b
        on
            b.feature = p.feature and b.environment = p.environment and b.prompt_version = p.prompt_version
            and b.side = p.side
    group by p.feature, p.environment, p.prompt_version, p.side, p.n_all, p.bin, p.hours, p.share
),

quantiles as (
    select
        l.feature,
        l.environment,
        l.prompt_version,
        l.side,
        'latency_p95_ms' as metric,
        log_bin_value(l.bin) as value,
        cast(l.n_all as double) as n,
        l.hours,
        log_bin_value(min(case when r.n_up_to >= (0.95e0 - l.width) * r.n_all then r.bin end)) as low,
        -- Above the largest value there is none: with so few requests the quantile has no upper end.
        case
            when 0.95e0 + l.width < 1 then log_bin_value(min(case when r.n_up_to >= (0.95e0 + l.width) * r.n_all then r.bin end))
        end as high
    from levels as l
    inner join ranked as r
        on
            r.feature = l.feature and r.environment = l.environment and r.prompt_version = l.prompt_version
            and r.side = l.side
    group by l.feature, l.environment, l.prompt_version, l.side, l.bin, l.n_all, l.hours, l.width
),

measured as (
    select
        feature,
        environment,
        prompt_version,
        side,
        metric,
        value,
        n,
        hours,
        case
            when is_share then wilson_low(value * n_effective, n_effective)
            when half_width is not null then greatest(0e0, value - half_width)
        end as low,
        case when is_share then wilson_high(value * n_effective, n_effective) else value + half_width end as high
    from weighed
    union all
    select feature, environment, prompt_version, side, metric, value, n, hours, low, high
    from quantiles
),

compared as (
    select
        r.feature,
        r.environment,
        r.prompt_version,
        r.first_day,
        r.live_since,
        r.before_version,
        r.before_from,
        a.metric,
        b.value as value_before,
        b.low as low_before,
        b.high as high_before,
        coalesce(b.n, 0) as n_before,
        a.value as value_after,
        a.low as low_after,
        a.high as high_after,
        a.n as n_after,
        a.value - b.value as difference,
        -- Both intervals squared and added (Newcombe's way with shares, of whatever the two are intervals of).
        a.value - b.value - sqrt(power(a.value - a.low, 2) + power(b.high - b.value, 2)) as difference_low,
        a.value - b.value + sqrt(power(a.high - a.value, 2) + power(b.value - b.low, 2)) as difference_high
    from releases as r
    inner join measured as a
        on
            a.feature = r.feature and a.environment = r.environment and a.prompt_version = r.prompt_version
            and a.side = 'after'
    left join measured as b
        on
            b.feature = r.feature and b.environment = r.environment and b.prompt_version = r.prompt_version
            and b.side = 'before' and b.metric = a.metric
)

select
    cast($day as date) as day,
    cast(feature as string) as feature,
    cast(environment as string) as environment,
    cast(prompt_version as string) as prompt_version,
    cast(before_version as string) as before_version,
    cast(metric as string) as metric,
    cast(live_since as timestamp with time zone) as live_since,
    cast(days_between(first_day, cast($day as date)) + 1 as integer) as days_live,
    cast(before_from as timestamp with time zone) as before_from,
    cast(value_before as double) as value_before,
    cast(low_before as double) as low_before,
    cast(high_before as double) as high_before,
    cast(n_before as bigint) as n_before,
    cast(value_after as double) as value_after,
    cast(low_after as double) as low_after,
    cast(high_after as double) as high_after,
    cast(n_after as bigint) as n_after,
    cast(difference as double) as difference,
    cast(difference_low as double) as difference_low,
    cast(difference_high as double) as difference_high,
    cast(
        case
            when difference_low is null or difference_high is null then 'not_known'
            when difference_low > 0 and metric = 'liked_share' then 'better'
            when difference_high < 0 and metric = 'liked_share' then 'worse'
            when difference_low > 0 and metric = 'output_tokens' then 'higher'
            when difference_high < 0 and metric = 'output_tokens' then 'lower'
            when difference_low > 0 then 'worse'
            when difference_high < 0 then 'better'
            else 'no_difference_shown'
        end as string
    ) as reading
from compared
