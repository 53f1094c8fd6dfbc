-- title: Top movers
-- show: table
-- unit: facts
-- section: What moved
-- meaning: >-
--   Where spend changed most: the last seven days beside the seven before, by tenant, feature and model. The same money is in
--   each of the three.
-- columns: {spend_trend: last 14 days, before_usd: seven days before, now_usd: last seven days, change_usd: change}
with costs as (
    select 'tenant' as of_what, tenant as name, day, contracted_amount from cost.cost_daily
    union all
    select 'feature', feature, day, contracted_amount from cost.cost_daily
    union all
    select 'model', model, day, contracted_amount from cost.cost_daily
),

by_day as (
    select of_what, name, day, sum(contracted_amount) as amount
    from costs
    where day > $day - 14 and name is not null
    group by all
),

moved as (
    select
        of_what,
        name,
        list(cast(amount as double) order by day) as spend_trend,
        sum(amount) filter (where day <= $day - 7) as before_usd,
        sum(amount) filter (where day > $day - 7) as now_usd
    from by_day
    group by of_what, name
)

select
    of_what,
    name,
    spend_trend,
    before_usd,
    now_usd,
    coalesce(now_usd, 0) - coalesce(before_usd, 0) as change_usd
from moved
order by abs(change_usd) desc nulls last, of_what, name
limit 10;
