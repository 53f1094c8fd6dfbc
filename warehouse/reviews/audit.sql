-- What the audit holds
select action, count(*) as entries, count(distinct actor) as actors, max(recorded_at) as last_at
from governance.audit
where day between $first and $last
group by action
order by entries desc, action
