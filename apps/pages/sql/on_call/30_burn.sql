-- title: Error budgets that burn
-- show: table
-- unit: facts
-- section: Service
-- empty: No budget burned faster than its rule allows in the last two days.
-- meaning: >-
--   Rules that fired in the last two days, each with its newest hour: how many times faster than it may a promise's budget
--   burned over the rule's long and short window, and the bad events that show it.
-- columns:
--   {hour_start: newest hour, hours: hours fired, long_burn_times: long window, short_burn_times: short window,
--   factor_times: fires at, long_bad: bad, long_total: of}
select
    severity,
    feature,
    slo as promise,
    rule,
    hour_start,
    count(*) over (partition by feature, slo, rule) as hours,
    long_burn_rate as long_burn_times,
    short_burn_rate as short_burn_times,
    factor as factor_times,
    long_bad,
    long_total,
    top_model
from service.burn_rates
where day > $day - 2 and state = 'firing'
qualify row_number() over (partition by feature, slo, rule order by hour_start desc) = 1
order by hour_start desc, long_burn_rate desc, feature, slo, rule
limit 20;
