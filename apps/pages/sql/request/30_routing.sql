-- title: Routing
-- show: facts
-- unit: facts
-- section: How it was served
-- meaning: Which way the request took, and which it was to take.
select
    route,
    expected_route,
    case when expected_route is null or route is null then null else route = expected_route end as as_expected,
    is_fallback as fallback,
    endpoint,
    endpoint_trust,
    region,
    deployment,
    service_tier,
    is_batch as batch,
    response_cache_hit as from_cache,
    experiment_arm
from logs.requests
where day = $day and request_id = $request_id;
