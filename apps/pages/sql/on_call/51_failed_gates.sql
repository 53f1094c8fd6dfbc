-- title: Failed gates
-- show: table
-- unit: facts
-- section: Releases
-- empty: No gate failed in the last 30 days.
-- meaning: What gates held against a candidate in the last 30 days, of prompts and of models, the newest first.
select
    decided_at as moment,
    'release' as gate_of,
    candidate,
    gate,
    metric,
    segment,
    difference,
    low as difference_low,
    high as difference_high,
    n,
    threshold,
    reason
from release.gates
where outcome = 'failed' and day > $day - 30
union all
select judged_at, kind, candidate, gate, metric, segment, difference, low, high, n, threshold, reason
from tuning.gates
where outcome = 'failed' and day > $day - 30
order by moment desc, candidate, gate, metric, segment
limit 15;
