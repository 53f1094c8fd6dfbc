-- title: Open tickets
-- show: tile
-- unit: count
-- section: Now
-- good: down
-- meaning: Alerts for working hours that are not closed; acknowledged ones count.
select cast(null as date) as day, count(*) as value
from service.alerts_now
where severity = 'ticket' and state in ('open', 'acknowledged');
