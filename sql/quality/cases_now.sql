-- One row per evaluation case as it stands: how often it failed, how far its repair is, and how old it is.
with folded as (
    select
        case_id,
        min(day) as day,
        min(found_day) as found_day,
        max(case when act = 'proposed' then feature end) as feature,
        max(case when act = 'proposed' then failure end) as failure,
        max(change) as last_change,
        max(case when act = 'accepted' then change end) as accepted_change,
        max(case when act = 'fixed' then change end) as fixed_change,
        max(case when act = 'verified' then change end) as verified_change,
        max(case when act = 'released' then change end) as released_change
    from quality.case_log
    group by case_id
),

stated as (
    select
        f.*,
        now_.act as state,
        now_.actor as who,
        now_.happened_at as last_at,
        accepted.suite,
        accepted.kind,
        accepted.happened_at as accepted_at,
        fixed.happened_at as fixed_at,
        fixed.prompt_version as fixed_prompt_version,
        fixed.model as fixed_model,
        -- Fixed again: what was verified and released before speaks of another version.
        case when f.verified_change > f.fixed_change then verified.happened_at end as verified_at,
        case when f.released_change > f.fixed_change then released.happened_at end as released_at
    from folded as f
    inner join quality.case_log as now_ on f.case_id = now_.case_id and f.last_change = now_.change
    left join quality.case_log as accepted on f.case_id = accepted.case_id and f.accepted_change = accepted.change
    left join quality.case_log as fixed on f.case_id = fixed.case_id and f.fixed_change = fixed.change
    left join quality.case_log as verified on f.case_id = verified.case_id and f.verified_change = verified.change
    left join quality.case_log as released on f.case_id = released.case_id and f.released_change = released.change
),

failed as (
    select
        s.case_id,
        count(distinct p.request_id) as responses,
        max(p.day) as last_failed_day,
        count(distinct case when p.day > cast(s.fixed_at as date) then p.request_id end) as since_fixed
    from stated as s
    inner join quality.case_proposals as p on s.case_id = p.case_id
    group by s.case_id
),

newest as (
    select max(day) as day
    from logs.requests
)

select
    cast(s.day as date) as day,
    cast(s.case_id as string) as case_id,
    cast(s.state as string) as state,
    cast(s.feature as string) as feature,
    cast(s.failure as string) as failure,
    cast(s.suite as string) as suite,
    cast(s.kind as string) as kind,
    cast(coalesce(failed.responses, 0) as bigint) as responses,
    cast(failed.last_failed_day as date) as last_failed_day,
    cast(case when s.fixed_at is not null then coalesce(failed.since_fixed, 0) end as bigint) as failed_since_fixed,
    cast(s.found_day as date) as found_day,
    cast(s.accepted_at as timestamp) as accepted_at,
    cast(s.fixed_at as timestamp) as fixed_at,
    cast(s.fixed_prompt_version as string) as fixed_prompt_version,
    cast(s.fixed_model as string) as fixed_model,
    cast(s.verified_at as timestamp) as verified_at,
    cast(s.released_at as timestamp) as released_at,
    cast(
        greatest(
            days_between(
                s.found_day,
                case when s.state in ('rejected', 'released') then cast(s.last_at as date) else coalesce(newest.day, s.found_day) end
            ),
            0
        )
        as bigint
    ) as age_days,
    cast(s.who as string) as who
from stated as s
cross join newest
left join failed on s.case_id = failed.case_id
