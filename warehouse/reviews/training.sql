-- What the last night decided about training
select kind, day, fired, reason, held_back_by, new_pairs, champion_days, cool_down_until, budget_left_usd
from tuning.triggers
where day between $first and $last
qualify row_number() over (partition by kind order by decided_at desc) = 1
order by kind
