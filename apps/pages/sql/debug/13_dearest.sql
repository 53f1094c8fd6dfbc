-- title: Dearest requests
-- show: table
-- unit: facts
-- section: Dear and slow
-- empty: No request of the newest day has a price.
-- meaning: Requests of the newest day that cost most, at contracted prices.
select
    costs.request_id,
    costs.feature,
    costs.tenant,
    costs.model,
    requests.input_tokens,
    requests.output_tokens,
    costs.contracted_amount as cost_usd
from cost.request_costs as costs
inner join logs.requests as requests using (day, request_id)
where costs.day = $day and costs.contracted_amount is not null
order by costs.contracted_amount desc, costs.request_id
limit 10;
