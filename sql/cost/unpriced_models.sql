-- One row per provider, model and reason for which something could not be priced: the prices to add.

select
    cast(provider as string) as provider,
    cast(model as string) as model,
    cast(reason as string) as reason,
    cast(
        case
            when min(charge_class) = max(charge_class) then min(charge_class)
            else min(charge_class) || ' .. ' || max(charge_class)
        end
        as string
    ) as charge_classes,
    cast(count(distinct request_id) as bigint) as requests,
    cast(sum(quantity) as decimal(38, 0)) as tokens,
    cast(min(day) as date) as first_day,
    cast(max(day) as date) as last_day
from cost.charges
where state = 'unpriced'
group by provider, model, reason
