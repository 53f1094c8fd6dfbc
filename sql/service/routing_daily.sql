-- One row per day (UTC) and feature of whose requests both the route taken and the route wanted are known.
with routed as (
    select
        r.day,
        r.feature,
        r.expected_route,
        r.route = r.expected_route as is_as_expected,
        coalesce(r.is_fallback, false) as is_fallback,
        c.contracted_amount
    from logs.requests as r
    left join cost.request_costs as c
        on r.day = c.day and r.request_id = c.request_id
    where coalesce(r.is_shadow, false) = false and r.route is not null and r.expected_route is not null
),

by_route as (
    select
        day,
        feature,
        expected_route,
        count(*) as requests,
        count(case when is_as_expected then 1 end) as as_expected,
        count(case when not is_as_expected and is_fallback then 1 end) as misrouted_fallbacks,
        count(case when is_as_expected then contracted_amount end) as priced_as_expected,
        sum(case when is_as_expected then contracted_amount end) as expected_amount,
        count(case when not is_as_expected then contracted_amount end) as priced_misrouted,
        sum(case when not is_as_expected then contracted_amount end) as misrouted_amount
    from routed
    group by day, feature, expected_route
),

compared as (
    select
        *,
        -- What the same number of requests costs in the mean on the route that they should have taken.
        case
            when priced_misrouted > 0 and priced_as_expected > 0
                then cast(
                    priced_misrouted * (cast(expected_amount as double) / nullif(priced_as_expected, 0)) as decimal(38, 12)
                )
        end as wanted_amount
    from by_route
),

figures as (
    select
        day,
        feature,
        sum(requests) as route_measured,
        sum(as_expected) as routed_as_expected,
        sum(misrouted_fallbacks) as misrouted_fallbacks,
        sum(case when wanted_amount is not null then priced_misrouted else 0 end) as compared_requests,
        sum(case when wanted_amount is not null then misrouted_amount end) as misrouted_amount,
        sum(wanted_amount) as wanted_amount
    from compared
    group by day, feature
)

select
    cast(day as date) as day,
    cast(feature as string) as feature,
    cast(route_measured as bigint) as route_measured,
    cast(routed_as_expected as bigint) as routed_as_expected,
    cast(cast(routed_as_expected as double) / nullif(route_measured, 0) as double) as routing_success_rate,
    cast(wilson_low(routed_as_expected, route_measured) as double) as routing_success_rate_low,
    cast(wilson_high(routed_as_expected, route_measured) as double) as routing_success_rate_high,
    cast(route_measured - routed_as_expected as bigint) as misrouted,
    cast(misrouted_fallbacks as bigint) as misrouted_fallbacks,
    cast(compared_requests as bigint) as compared_requests,
    cast(misrouted_amount as decimal(38, 12)) as misrouted_amount,
    cast(wanted_amount as decimal(38, 12)) as wanted_amount,
    cast(misrouted_amount - wanted_amount as decimal(38, 12)) as misrouting_amount
from figures
