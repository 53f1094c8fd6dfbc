-- Error budgets that are spent, or will be
select slo, feature, state, round(burned_share, 3) as burned_share, target, total, bad, exhausted_on_forecast
from service.slo_status
where day = (select max(day) from service.slo_status where day <= $last) and state in ('burning', 'spent')
order by burned_share desc, slo, feature
