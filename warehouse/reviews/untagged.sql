-- Cost that nobody owns
select
    tag,
    sum(untagged_amount) as untagged_cost,
    cast(sum(untagged_amount) as double) / nullif(cast(sum(contracted_amount) as double), 0) as untagged_share
from cost.untagged_daily
where day between $first and $last
group by tag
having sum(untagged_amount) > 0
order by untagged_cost desc, tag
