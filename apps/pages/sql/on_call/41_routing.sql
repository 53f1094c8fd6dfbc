-- title: Routing failures
-- show: table
-- unit: facts
-- section: Safety and routing
-- empty: All requests of the last seven days took the route that was wanted.
-- meaning: >-
--   Requests of the last seven days that took another route than the one that was wanted, by feature, and what they cost more
--   than that one would have.
-- columns: {routing_success_rate: as wanted, extra_usd: cost more, route_measured: n}
select
    feature,
    sum(misrouted) as misrouted,
    sum(misrouted_fallbacks) as fallbacks,
    sum(routed_as_expected) / nullif(cast(sum(route_measured) as double), 0) as routing_success_rate,
    wilson_low(sum(routed_as_expected), sum(route_measured)) as routing_success_rate_low,
    wilson_high(sum(routed_as_expected), sum(route_measured)) as routing_success_rate_high,
    sum(route_measured) as route_measured,
    sum(misrouting_amount) as extra_usd
from service.routing_daily
where day > $day - 7
group by feature
having sum(misrouted) > 0
order by misrouted desc, feature;
