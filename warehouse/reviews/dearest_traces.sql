-- The dearest traces
select trace_id, tenant, feature, first_ts, requests, contracted_amount as cost, billed_currency
from cost.trace_costs
where day between $first and $last and contracted_amount is not null
order by contracted_amount desc, trace_id
limit 10
