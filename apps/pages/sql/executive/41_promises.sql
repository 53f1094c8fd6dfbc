-- title: Promises
-- show: table
-- unit: facts
-- section: What was promised
-- meaning: >-
--   How each promise stands over its rolling window: the share of good events with its interval beside the target, and what is
--   left of the error budget. Those with the least left come first.
-- empty: No feature has promises; docs/slos.md says how to write one.
-- columns: {good_share: good, total: n, remaining_share: budget left}
select
    feature,
    slo as promise,
    good_share,
    low,
    high,
    target,
    total,
    remaining_share,
    state
from service.slo_status
where day = (select max(day) from service.slo_status) and total > 0
order by remaining_share nulls last, feature, slo
limit 20;
