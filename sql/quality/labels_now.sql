-- One row per response and annotator: the newest of what they said.
with ranked as (
    select
        *,
        row_number() over (
            partition by day, request_id, annotator
            order by labelled_at desc nulls last, label_id nulls last
        ) as place
    from quality.labels
)

select
    cast(day as date) as day,
    cast(request_id as string) as request_id,
    cast(label_id as string) as label_id,
    cast(user_token as string) as user_token,
    cast(annotator as string) as annotator,
    cast(labelled_at as timestamp) as labelled_at,
    cast(hallucinated as boolean) as hallucinated,
    cast(grounded as boolean) as grounded,
    cast(safety_pass as boolean) as safety_pass,
    cast(toxic as boolean) as toxic,
    cast(instruction_followed as boolean) as instruction_followed,
    cast(policy_followed as boolean) as policy_followed,
    cast(severity as string) as severity,
    cast(root_cause as string) as root_cause,
    cast(has_comment as boolean) as has_comment
from ranked
where place = 1
