-- title: Documents
-- show: table
-- unit: facts
-- section: What it was given
-- empty: No document was found for it, or none was logged.
-- meaning: >-
--   Documents that were found, in their ranks, with their scores and whether who asked may have them. Their texts are not in the
--   published file.
select
    found.document_rank as rank,
    found.document_id as document,
    found.document_version as version,
    found.retrieval_score as score,
    found.is_cited as cited,
    known.access,
    known.is_stale as stale,
    found.index_version as index
from logs.retrievals as found
left join retrieval.retrieved as known using (day, request_id, file_id, record_number)
where found.day = $day and found.request_id = $request_id
order by found.document_rank nulls last, found.document_id;
