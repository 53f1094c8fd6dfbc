-- One row per judge: of the drawn responses that people judged too, how often both call the answer made up.
with people as (
    select
        day,
        request_id,
        count(case when hallucinated then 1 end) as yes,
        count(hallucinated) as said
    from quality.labels_now
    group by day, request_id
),

-- Where people are of two minds in equal parts, or the judge is unsure, there is nothing to agree with.
both_said as (
    select
        j.judge,
        case when j.verdict = 'unsupported' then 1 else 0 end as judge_yes,
        case when 2 * p.yes > p.said then 1 else 0 end as people_yes
    from quality.judgements as j
    inner join people as p
        on j.day = p.day and j.request_id = p.request_id
    inner join quality.label_frame as f
        on j.day = f.day and j.request_id = f.request_id
    where f.is_drawn and j.verdict in ('supported', 'unsupported') and p.said > 0 and 2 * p.yes <> p.said
),

counted as (
    select
        judge,
        count(*) as n,
        sum(judge_yes * people_yes) as both_yes,
        sum(judge_yes * (1 - people_yes)) as judge_alone,
        sum((1 - judge_yes) * people_yes) as people_alone
    from both_said
    group by judge
),

shares as (
    select
        *,
        both_yes + people_alone as people_yes,
        n - both_yes - people_alone as people_no,
        cast(n - judge_alone - people_alone as double) / nullif(n, 0) as agreement,
        (
            cast(both_yes + judge_alone as double) * (both_yes + people_alone)
            + cast(n - both_yes - judge_alone as double) * (n - both_yes - people_alone)
        ) / nullif(n * n, 0) as by_chance
    from counted
)

select
    cast(judge as string) as judge,
    cast(n as bigint) as n,
    cast(both_yes as bigint) as both_yes,
    cast(judge_alone as bigint) as judge_alone,
    cast(people_alone as bigint) as people_alone,
    cast(agreement as double) as agreement,
    cast(wilson_low(n - judge_alone - people_alone, n) as double) as agreement_low,
    cast(wilson_high(n - judge_alone - people_alone, n) as double) as agreement_high,
    cast((agreement - by_chance) / nullif(1 - by_chance, 0) as double) as kappa,
    cast(cast(both_yes as double) / nullif(people_yes, 0) as double) as sensitivity,
    cast(wilson_low(both_yes, people_yes) as double) as sensitivity_low,
    cast(wilson_high(both_yes, people_yes) as double) as sensitivity_high,
    cast(cast(people_no - judge_alone as double) / nullif(people_no, 0) as double) as specificity,
    cast(wilson_low(people_no - judge_alone, people_no) as double) as specificity_low,
    cast(wilson_high(people_no - judge_alone, people_no) as double) as specificity_high
from shares
