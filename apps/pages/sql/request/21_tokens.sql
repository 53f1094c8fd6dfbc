-- title: Tokens and cost
-- show: table
-- unit: facts
-- section: What was asked
-- empty: Nothing of this request could be counted.
-- meaning: Each kind of token or unit of the request, with its rate and what it cost; what has no price says why.
-- columns: {rate_per_million_usd: rate per million, cost_usd: cost}
select
    charge_class as class,
    cast(quantity as bigint) as quantity,
    unit,
    contracted_rate_per_million as rate_per_million_usd,
    contracted_amount as cost_usd,
    state,
    reason
from cost.charges
where day = $day and request_id = $request_id
order by contracted_amount desc nulls last, charge_class;
