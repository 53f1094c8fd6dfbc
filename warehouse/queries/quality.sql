-- How many responses were drawn for labelling in the last 28 days of the record, and how many of them has somebody judged?
select
    count(*) as drawn,
    count(said.request_id) as judged,
    count(*) filter (where asked.needs_second_label) as for_two_people,
    count(*) filter (where said.annotators > 1) as judged_by_two
from quality.label_queue as asked
left join (
    select day, request_id, count(*) as annotators
    from quality.labels_now
    group by day, request_id
) as said using (day, request_id)
where asked.reason = 'drawn' and asked.day > (select max(day) from logs.requests) - 28;

-- What share of the labelled, drawn responses hallucinates, as a plain mean, and how many labels stand behind it? (Not a rate of all
-- responses: the draw prefers some of them.)
select
    avg(case when said.hallucinated then 1 when not said.hallucinated then 0 end) as share_of_labels,
    count(said.hallucinated) as labels
from quality.labels_now as said
inner join quality.label_frame as drawn using (day, request_id)
where drawn.is_drawn;

-- What became of the lines of label files: how many were labels, how many were known, how many could not be taken?
select
    coalesce(sum(lines), 0) as lines,
    coalesce(sum(labels), 0) as labels,
    coalesce(sum(duplicates), 0) as known,
    coalesce(sum(unanswered), 0) as unanswered,
    coalesce(sum(unknown + conflicting + closed + faulty), 0) as not_taken
from quality.label_imports;

-- Which share of the outputs of high risk did people review before release, in the last 28 days of the record, how fast is the slowest
-- feature, and how many went out though a person had said no? NULL: no release is logged.
select
    coalesce(sum(outputs), 0) as outputs,
    coalesce(sum(reviewed), 0) as reviewed,
    sum(reviewed_before_release) / nullif(sum(released), 0) as before_release_share,
    wilson_low(sum(reviewed_before_release), sum(released)) as low,
    wilson_high(sum(reviewed_before_release), sum(released)) as high,
    max(turnaround_p90_min) as slowest_p90_min,
    coalesce(sum(released_though_rejected), 0) as released_though_rejected
from quality.human_review
where day > (select max(day) from logs.requests) - 28;
