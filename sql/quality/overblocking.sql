-- One row per week, feature and way of telling: of what was refused or blocked and then looked at, how much should not have been.
with verdicts as (
    -- Whoever declines does not do what was asked: that is a fault only where nobody says that the rules wanted it.
    select day, request_id, coalesce(policy_followed, instruction_followed) as was_right
    from quality.labels_now
),

judged as (
    select
        day,
        request_id,
        case when 2 * count(case when was_right = false then 1 end) > count(was_right) then 1 else 0 end as fault
    from verdicts
    where was_right is not null
    group by day, request_id
),

-- Drawn responses alone: each stands for one over its probability others.
refused as (
    select
        date_trunc('week', s.day) as week_start,
        s.feature,
        j.fault,
        cast(1 as double) / nullif(f.inclusion_probability, 0) as weight
    from quality.scores as s
    inner join judged as j
        on j.day = s.day and j.request_id = s.request_id
    inner join quality.label_frame as f
        on f.day = s.day and f.request_id = s.request_id
    where s.refuses and f.is_drawn and f.inclusion_probability > 0
),

told as (
    select
        week_start,
        feature,
        'refused_label' as basis,
        count(*) as n,
        sum(fault) as wrong,
        sum(weight * fault) / nullif(sum(weight), 0) as rate,
        sum(weight) * sum(weight) / nullif(sum(weight * weight), 0) as n_effective
    from refused
    group by week_start, feature
    union all
    select
        date_trunc('week', day) as week_start,
        feature,
        'blocked_feedback' as basis,
        sum(labelled) as n,
        sum(false_positives) as wrong,
        cast(sum(false_positives) as double) / nullif(sum(labelled), 0) as rate,
        cast(sum(labelled) as double) as n_effective
    from service.safety_daily
    where labelled > 0
    group by date_trunc('week', day), feature
)

select
    cast(week_start as date) as week_start,
    cast(feature as string) as feature,
    cast(basis as string) as basis,
    cast(n as bigint) as n,
    cast(wrong as bigint) as wrong,
    cast(rate as double) as overblocked_rate,
    cast(wilson_low(rate * n_effective, n_effective) as double) as overblocked_rate_low,
    cast(wilson_high(rate * n_effective, n_effective) as double) as overblocked_rate_high,
    cast(n_effective as double) as n_effective
from told
