-- Days of tables that readers do not have as they should
select table_name, state, count(*) as days, min(day) as first_day, max(day) as last_day, min(reason) as reason
from governance.freshness
where state in ('behind', 'failed', 'waiting') and day <= $last
group by table_name, state
order by days desc, table_name
