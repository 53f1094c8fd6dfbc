-- Safety, by feature
-- Of requests that a safety filter judged; bypassed: answered although it said block.
select
    feature,
    sum(requests) as requests,
    sum(judged) as judged,
    cast(sum(passed) as double) / nullif(sum(judged), 0) as pass_rate,
    wilson_low(sum(passed), sum(judged)) as pass_rate_low,
    wilson_high(sum(passed), sum(judged)) as pass_rate_high,
    sum(blocked) as blocked,
    sum(bypassed) as bypassed,
    sum(labelled) as blocks_labelled,
    sum(false_positives) as blocked_wrongly
from service.safety_daily
where day between $first and $last
group by feature
having sum(judged) > 0
order by bypassed desc, pass_rate, feature
