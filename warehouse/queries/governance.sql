-- Is everything up to date, and if not, why?
select state, reason, count(*) as table_days, min(day) as first_day, max(day) as last_day
from governance.freshness
group by state, reason
order by table_days desc;

-- What was published when?
select seq, recorded_at, action, subject, actor
from governance.audit
order by seq desc
limit 20;
