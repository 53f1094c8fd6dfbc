-- Cost by team and feature
-- The time before this one beside it; where they have as many days, the change is one.
select
    coalesce(team, '(none)') as team,
    coalesce(feature, '(none)') as feature,
    billed_currency,
    sum(case when day >= $first then contracted_amount end) as cost,
    sum(case when day < $first then contracted_amount end) as cost_before,
    cast(sum(case when day >= $first then contracted_amount end) as double)
        / nullif(cast(sum(case when day < $first then contracted_amount end) as double), 0) - 1 as change_share
from cost.cost_daily
where day between $first_before and $last
group by 1, 2, 3
having cost is not null
order by cost desc, team, feature
