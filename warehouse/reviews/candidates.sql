-- Models that were trained, and what became of them
select candidate, kind, state, recorded_at, reason, dataset_version, model_version, cost_usd
from tuning.candidates
where day between $first and $last
qualify row_number() over (partition by candidate order by step desc) = 1
order by recorded_at desc, candidate
