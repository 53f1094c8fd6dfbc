-- One row per task of a review as it stands.
select
    cast(r.day as date) as day,
    cast(r.review as string) as review,
    cast(r.section as string) as section,
    cast(coalesce(e.act, 'open') as string) as state,
    cast(r.task as string) as task,
    cast(r.owner as string) as owner,
    cast(r.due_on as date) as due_on,
    cast(r.findings as bigint) as findings,
    cast(e.recorded_at as timestamp) as ended_at,
    cast(e.actor as string) as ended_by,
    cast(e.note as string) as note
from governance.reviews as r
left join governance.reviews as e
    on e.review = r.review and e.section = r.section and e.change = 2
where r.change = 1
