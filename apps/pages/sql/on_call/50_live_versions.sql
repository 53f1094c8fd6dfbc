-- title: Live versions
-- show: table
-- unit: facts
-- section: Releases
-- meaning: >-
--   What is said to be live and what requests really used, production first. Where the two differ, `agrees` says no; not
--   declared: nobody said what should be live.
-- empty: No version is known to be live.
select
    feature,
    environment,
    kind,
    value as version,
    source as said_by,
    since,
    share as traffic_share,
    n,
    case when agrees then 'yes' when not agrees then 'no' else 'not declared' end as agrees
from release.live_versions
order by coalesce(agrees, true), environment not in ('prod', 'production'), feature, environment, kind, share desc, version
limit 20;
