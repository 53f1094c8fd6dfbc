-- title: Days that are not fresh
-- show: table
-- unit: facts
-- section: The data itself
-- empty: Every published day is fresh.
-- meaning: Days whose tables wait, failed their checks or fell behind; what readers see of them is older than what is there.
select
    day,
    question,
    state,
    count(*) as tables,
    any_value(reason) as reason
from governance.freshness
where state not in ('fresh', 'closed')
group by day, question, state
order by day desc, question, state
limit 20;
