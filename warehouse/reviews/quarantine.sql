-- Lines that could not be read
select source, reason, count(*) as lines, count(distinct file_id) as files, max(arrived_at) as last_arrived_at
from logs.quarantine
where day between $first and $last
group by source, reason
order by lines desc, source, reason
