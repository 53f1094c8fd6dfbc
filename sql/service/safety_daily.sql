-- One row per day (UTC) and feature whose requests a safety filter judged.
with counted as (
    select
        day,
        feature,
        sum(requests) as requests,
        sum(safety_measured) as judged,
        sum(safety_passed) as passed,
        sum(safety_measured - safety_passed - safety_blocked) as flagged,
        sum(safety_blocked) as blocked,
        sum(safety_input_measured) as input_judged,
        sum(safety_input_flagged) as input_flagged,
        sum(safety_input_blocked) as input_blocked,
        sum(safety_output_measured) as output_judged,
        sum(safety_output_flagged) as output_flagged,
        sum(safety_output_blocked) as output_blocked,
        sum(safety_bypassed) as bypassed,
        sum(refusals) as refusals
    from service.sli_5min
    group by day, feature
),

-- People who looked again at what the filter had stopped: 1 for a false alarm, 0 for a right one.
labels as (
    select
        r.day,
        r.feature,
        r.request_id,
        max(said.feedback_value) as is_false_alarm
    from logs.feedback as said
    inner join logs.requests as r
        on said.request_id = r.request_id and said.request_day = r.day
    where
        said.state = 'matched'
        and said.feedback_name = 'safety_false_positive'
        and said.feedback_value in (0, 1)
        and coalesce(r.is_shadow, false) = false
        and (r.safety_input_verdict in ('flag', 'block') or r.safety_output_verdict in ('flag', 'block'))
    group by r.day, r.feature, r.request_id
),

looked_at as (
    select day, feature, count(*) as labelled, count(case when is_false_alarm = 1 then 1 end) as false_positives
    from labels
    group by day, feature
)

select
    cast(counted.day as date) as day,
    cast(counted.feature as string) as feature,
    cast(counted.requests as bigint) as requests,
    cast(counted.judged as bigint) as judged,
    cast(counted.passed as bigint) as passed,
    cast(counted.flagged as bigint) as flagged,
    cast(counted.blocked as bigint) as blocked,
    cast(cast(counted.passed as double) / nullif(counted.judged, 0) as double) as pass_rate,
    cast(wilson_low(counted.passed, counted.judged) as double) as pass_rate_low,
    cast(wilson_high(counted.passed, counted.judged) as double) as pass_rate_high,
    cast(cast(counted.blocked as double) * 1000 / nullif(counted.judged, 0) as double) as blocks_per_1000,
    cast(counted.input_judged as bigint) as input_judged,
    cast(counted.input_flagged as bigint) as input_flagged,
    cast(counted.input_blocked as bigint) as input_blocked,
    cast(counted.output_judged as bigint) as output_judged,
    cast(counted.output_flagged as bigint) as output_flagged,
    cast(counted.output_blocked as bigint) as output_blocked,
    cast(
        cast(counted.output_judged - counted.output_flagged - counted.output_blocked as double) / nullif(counted.output_judged, 0)
        as double
    ) as output_pass_rate,
    cast(counted.bypassed as bigint) as bypassed,
    cast(cast(counted.bypassed as double) / nullif(counted.input_blocked, 0) as double) as bypass_rate,
    cast(counted.refusals as bigint) as refusals,
    cast(coalesce(looked_at.labelled, 0) as bigint) as labelled,
    cast(looked_at.false_positives as bigint) as false_positives,
    cast(cast(looked_at.false_positives as double) / nullif(looked_at.labelled, 0) as double) as false_positive_rate,
    cast(wilson_low(looked_at.false_positives, looked_at.labelled) as double) as false_positive_rate_low,
    cast(wilson_high(looked_at.false_positives, looked_at.labelled) as double) as false_positive_rate_high
from counted
left join looked_at
    on counted.day = looked_at.day and counted.feature is not distinct from looked_at.feature
where counted.judged > 0
