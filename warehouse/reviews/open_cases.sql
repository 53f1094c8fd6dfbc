-- Evaluation cases that wait, the oldest first
select case_id, feature, failure, state, age_days, responses, failed_since_fixed
from quality.cases_now
where state not in ('rejected', 'released')
order by age_days desc, case_id
