"""What must hold in every published snapshot, whoever is writing meanwhile."""

from __future__ import annotations

from resources.warehouse import Connection

_DAYS = """
with states as (
    select day, question, max(case when state in ('fresh', 'late_rows') then 0 else 1 end) as is_held
    from governance.freshness group by day, question
),

told as (
    select f.question || '.' || f.table_name as table_name, f.day, f.rows
    from governance.freshness as f
    where f.state in ('fresh', 'late_rows')
),

counted as (
    select 'logs.requests' as table_name, day, count(*) as n from logs.requests group by day
    union all
    select 'logs.request_days', day, count(*) from logs.request_days group by day
    union all
    select 'cost.charges', day, count(*) from cost.charges group by day
    union all
    select 'cost.request_costs', day, count(*) from cost.request_costs group by day
),

requests as (
    select day, count(*) as requests, coalesce(sum(input_tokens), 0) + coalesce(sum(output_tokens), 0) as tokens
    from logs.requests group by day
),

charges as (
    select day, coalesce(sum(case when unit = 'token' then quantity end), 0) as charged from cost.charges group by day
),

costs as (
    select day, count(*) as costs from cost.request_costs group by day
),

listed as (
    select day, count(*) as listed from logs.request_days group by day
)

select 'half a day' as law, cast(told.day as varchar), told.table_name
from told
left join counted on told.table_name = counted.table_name and told.day = counted.day
where told.table_name in ('logs.requests', 'logs.request_days', 'cost.charges', 'cost.request_costs')
    and coalesce(told.rows, 0) <> coalesce(counted.n, 0)
union all
select 'two runs of one day', cast(r.day as varchar), r.requests || ' requests, ' || coalesce(c.costs, 0) || ' costs, '
    || r.tokens || ' tokens, ' || coalesce(h.charged, 0) || ' charged'
from requests as r
left join costs as c on r.day = c.day
left join charges as h on r.day = h.day
left join states as s on r.day = s.day and s.question = 'cost'
where s.is_held = 0 and (r.requests <> coalesce(c.costs, 0) or r.tokens <> coalesce(h.charged, 0))
union all
select 'costs without requests', cast(c.day as varchar), c.costs || ' costs'
from costs as c
left join requests as r on c.day = r.day
left join states as s on c.day = s.day and s.question = 'cost'
where r.day is null and s.is_held = 0
union all
select 'costs inside one question', cast(c.day as varchar), c.costs || ' costs without charges'
from costs as c
left join charges as h on c.day = h.day
where h.day is null
union all
select 'requests inside one question', cast(r.day as varchar), r.requests || ' requests, ' || coalesce(l.listed, 0)
from requests as r
left join listed as l on r.day = l.day
where r.requests <> coalesce(l.listed, 0)
union all
select 'the balance', cast(day as varchar), landed_records || ' landed, ' || unaccounted_records || ' unaccounted for'
from governance.accounting
where is_settled and unaccounted_records <> 0
"""


def broken_laws(con: Connection) -> list[tuple[str, ...]]:
    """(law, day, what was seen) for each law that a snapshot breaks. Days marked as held back may differ."""
    return con.execute(_DAYS).fetchall()
