-- Hours that cost far more than usual
select hour_start, tenant, api_key_token, top_feature, contracted_amount as cost_usd, round(usual_amount, 6) as usual_usd, state
from service.cost_spikes
where day between $first and $last and state in ('spike', 'large_spike')
order by contracted_amount desc, hour_start
