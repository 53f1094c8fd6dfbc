-- Releases of the retrieval index
select index_name, release, state, recorded_at, ntotal, tombstones, index_recall, index_recall_low, index_recall_high, reason
from retrieval.index_releases
where day between $first and $last
qualify row_number() over (partition by index_name, release order by recorded_at desc) = 1
order by recorded_at desc, index_name, release
