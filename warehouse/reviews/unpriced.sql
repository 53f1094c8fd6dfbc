-- Models without a price
select provider, model, reason, requests, tokens, first_day, last_day
from cost.unpriced_models
where last_day >= $first and first_day <= $last
order by requests desc, provider, model
