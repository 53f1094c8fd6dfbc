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

-- How often did each verdict hold of all answers of the last 30 days, how well is that known, and from how many labels?
select verdict, rate, low, high, n_responses, n_labelled, n_excluded, method
from quality.rates
where scope = 'all' and window_days = 30 and day = (select max(day) from quality.rates)
order by verdict;

-- Which prompt version hallucinated most in the last week, of those that somebody has judged?
select feature, prompt_version, rate, low, high, n_labelled
from quality.rates
where
    verdict = 'hallucinated' and scope = 'prompt_version' and window_days = 7 and rate is not null
    and day = (select max(day) from quality.rates)
order by low desc, feature, prompt_version
limit 10;

-- Do answers hallucinate more where retrieval found nothing, or nothing good? The last week that somebody has judged.
select day, retrieval, rate, low, high, n_responses, n_labelled
from quality.rates
where
    verdict = 'hallucinated' and scope = 'retrieval' and window_days = 7 and rate is not null
    and day = (select max(day) from quality.rates where scope = 'retrieval' and rate is not null)
order by rate desc;

-- How many labels a day would make the interval of each feature's hallucination rate half as wide? From its newest judged day.
select feature, day, width, n_labelled, labels_a_day, is_raters_error
from quality.label_power
where verdict = 'hallucinated' and window_days = 1 and width is not null
qualify row_number() over (partition by feature order by day desc) = 1
order by feature nulls first;

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

-- How many evaluation cases are open in each state, how old is the oldest one, and how many were fixed and failed again?
select
    count(*) filter (where state = 'proposed') as proposed,
    count(*) filter (where state = 'accepted') as accepted,
    count(*) filter (where state in ('fixed', 'verified')) as not_released_yet,
    max(age_days) filter (where state not in ('rejected', 'released')) as oldest_days,
    count(*) filter (where failed_since_fixed > 0) as failed_again
from quality.cases_now;

-- Which failures of the last 28 days of the record belong to no case, and why?
select
    count(distinct request_id) filter (where state = 'proposed') as in_a_case,
    count(distinct request_id) filter (where reason in ('may_label', 'may_train')) as may_not_be_used,
    count(distinct request_id) filter (where reason = 'no_words') as question_not_kept,
    count(distinct request_id) filter (where reason = 'personal_data') as held_for_personal_data
from quality.case_proposals
where day > (select max(day) from logs.requests) - 28;

-- What share of the prompts of the last 28 days reads like an attempt to get round the rules, and how many were answered?
select
    sum(texts) as prompts,
    sum(attempts) as attempts,
    sum(attempts) / sum(texts) as attempt_rate,
    wilson_low(sum(attempts), sum(texts)) as low,
    wilson_high(sum(attempts), sum(texts)) as high,
    sum(answered) as answered
from quality.injections_daily
where part = 'prompt' and day > (select max(day) from logs.requests) - 28;

-- How many documents that were given to a model speak to it like orders, and how often were they given?
select count(distinct document_id) as documents, count(*) as given, count(distinct user_token) as users, max(score) as score
from quality.injections
where part = 'document' and score >= 0.7;

-- How many users and API keys tried too often for chance, or read too much, and how much of it was answered?
select
    count(distinct subject_token) filter (where severity = 'abuse') as abusers,
    count(distinct subject_token) filter (where severity = 'watch') as watched,
    sum(events) filter (where pattern = 'injection') as attempts,
    sum(answered) as answered,
    max(last_seen) as last_seen
from quality.abuse;

-- How much of what was refused or blocked, and then looked at, should have been answered?
select
    sum(n) filter (where basis = 'refused_label') as refusals_judged,
    sum(wrong) filter (where basis = 'refused_label') as refused_wrongly,
    sum(n) filter (where basis = 'blocked_feedback') as blocks_spoken_of,
    sum(wrong) filter (where basis = 'blocked_feedback') as blocked_wrongly,
    wilson_low(sum(wrong) filter (where basis = 'blocked_feedback'), sum(n) filter (where basis = 'blocked_feedback')) as low,
    wilson_high(sum(wrong) filter (where basis = 'blocked_feedback'), sum(n) filter (where basis = 'blocked_feedback')) as high
from quality.overblocking;

-- How many answers does the list of foul phrases, a proxy, point at?
select count(*) as answers, count(*) filter (where toxicity_proxy >= 0.5) as pointed_at, max(toxicity_proxy) as foulest
from quality.toxicity;
