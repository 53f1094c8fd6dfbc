-- Do searches find what answers need, this week?
select metric, basis, measured_on, coalesce(index_name || ' ' || cast(release as varchar), index_version) as version,
    round(100 * value, 1) as value_pct, round(100 * low, 1) as low_pct, round(100 * high, 1) as high_pct, n
from retrieval.recall
where scope = 'all' and day > (select max(day) - 7 from retrieval.recall)
order by basis, metric, day desc;

-- Who finds nothing, or finds what is stale?
select day, scope, scope_value, metric, round(100 * value, 1) as rate_pct, round(100 * low, 1) as low_pct,
    round(100 * high, 1) as high_pct, n
from retrieval.search_rates
where metric in ('empty_retrieval_rate', 'stale_rate') and scope in ('feature', 'tenant')
order by low desc, n desc
limit 20;

-- Which documents were given to somebody who may not have them?
select access_label, document_id, feature, tenant, user_class, count(*) as times, min(ts) as first_ts, max(ts) as last_ts
from retrieval.access_violations
group by access_label, document_id, feature, tenant, user_class
order by times desc
limit 20;

-- What do people ask that nothing answers?
select feature, gap, since_day, round(requests) as requests, round(100 * share, 1) as share_pct,
    round(100 * unanswered_share_low, 0) as unanswered_at_least_pct, declined, made_up, complained_of, empty,
    nearest_document_id, request_id, more_request_ids
from retrieval.knowledge_gaps
where day = (select max(day) from retrieval.knowledge_gaps)
order by requests desc
limit 20;

-- How much of what searches put into prompts is never cited?
select feature, sum(searches) as searches, sum(documents) as documents,
    round(100.0 * sum(uncited_tokens) / nullif(sum(retrieved_tokens), 0), 1) as uncited_tokens_pct,
    sum(uncited_tokens) as uncited_tokens, sum(searches_with_tokens) as n,
    round(100.0 * sum(uncited_characters) / nullif(sum(characters), 0), 1) as uncited_characters_pct
from retrieval.log_metrics
where day > (select max(day) - 7 from retrieval.log_metrics)
group by feature
order by uncited_tokens desc nulls last;

-- Have the scores of searches moved?
select day, feature, n, round(p10, 3) as p10, round(p50, 3) as p50, round(p90, 3) as p90,
    round(distance / nullif(expected_by_chance, 0), 1) as times_chance, reference_n
from retrieval.scores_daily
order by feature, day desc
limit 28;

-- What has become of a document, and who may have it?
select document_id, valid_from, valid_to, state, version, access_label, valid_until
from retrieval.document_states
order by document_id, valid_from
limit 50;

-- How much of what is found can be judged at all?
select day, scope_value as tenant, round(100 * value, 1) as not_judged_pct, n
from retrieval.search_rates
where metric = 'not_judged_rate' and scope = 'tenant'
order by day desc, value desc
limit 20;

-- How many documents of each corpus may be retrieved, how many are quarantined, and how many were deleted?
select
    corpus,
    count(*) filter (where state = 'live') as live,
    count(*) filter (where state = 'quarantined') as quarantined,
    count(*) filter (where state = 'deleted') as deleted
from retrieval.documents_now
group by corpus
order by corpus;

-- Which documents are quarantined, since when and why, and what would be written into knowledge.yml to let one in after a look?
select document_id, reason, since, owner, document_id || '@' || version as released_as
from retrieval.documents_now
where state = 'quarantined'
order by since desc, document_id;

-- Which live documents were to be believed until a day that has passed?
select document_id, corpus, owner, valid_until, updated_at
from retrieval.documents_now
where state = 'live' and valid_until < (select max(day) from logs.requests)
order by valid_until, document_id;
