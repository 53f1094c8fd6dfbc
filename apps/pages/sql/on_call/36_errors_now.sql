-- title: What failed on the newest day
-- show: table
-- unit: facts
-- section: Service
-- empty: Nothing failed.
-- meaning: Failures of the newest day by provider, model and code, with their share of the model's requests and whom they met.
select
    provider,
    model,
    error_class as class,
    error_code as code,
    cast(http_status as varchar) as http,
    failed_requests as failed,
    error_rate,
    error_rate_low,
    error_rate_high,
    requests as n,
    users,
    last_ts as last
from service.errors_daily
where day = $day
order by failed_requests desc, model, error_code
limit 12;
