-- title: Failed gates, 7 days
-- show: tile
-- unit: count
-- section: Now
-- good: down
-- meaning: Questions of release and tuning gates that came out against a candidate in the last seven days.
select cast(null as date) as day, count(*) as value
from (
    select day from release.gates where outcome = 'failed'
    union all
    select day from tuning.gates where outcome = 'failed'
) as failed
where day > $day - 7;
