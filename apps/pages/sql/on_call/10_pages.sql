-- title: Open pages
-- show: tile
-- unit: count
-- section: Now
-- good: down
-- meaning: Alerts that wake somebody and are not closed; acknowledged ones count.
select cast(null as date) as day, count(*) as value
from service.alerts_now
where severity = 'page' and state in ('open', 'acknowledged');
