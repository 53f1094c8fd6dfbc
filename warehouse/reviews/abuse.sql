-- Who attacked or crawled
select subject, pattern, max(tenant) as tenant, max(feature) as feature, sum(events) as events, min(day) as first_day, max(day) as last_day
from quality.abuse
where day between $first and $last and severity = 'abuse'
group by subject, pattern
order by events desc, subject, pattern
