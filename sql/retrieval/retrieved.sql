-- One row per document that was found for a request, with what the knowledge base knew of it at that moment.
with asked as (
    select
        request_id,
        max(case when is_shadow then 1 else 0 end) as is_shadow,
        max_by(endpoint, day) as endpoint,
        max_by(endpoint_trust, day) as user_class
    from logs.requests
    group by request_id
),

found as (
    select
        r.*,
        a.endpoint,
        a.user_class,
        s.document_id is not null as is_known,
        s.corpus,
        s.state,
        s.version as version_then,
        s.earlier_versions,
        s.access_label,
        s.valid_until
    from logs.retrievals as r
    left join asked as a
        on r.request_id = a.request_id
    left join retrieval.document_states as s
        on r.document_id = s.document_id and s.valid_from <= r.ts and r.ts < s.valid_to
    where r.day = cast($day as date) and coalesce(a.is_shadow, 0) = 0
),

-- Judged once for each kind of caller and label, and not for each document.
callers as (
    select distinct access_label, tenant, user_class, feature, endpoint
    from found
    where is_known
),

asked_of as (
    select
        c.access_label,
        c.tenant,
        c.user_class,
        c.feature,
        c.endpoint,
        g.access_label is not null as has_rule,
        -- NULL where the label asks for what the log does not say, unless something else forbids it already.
        (g.tenants is null or contains(',' || g.tenants || ',', ',' || c.tenant || ','))
        and (g.user_classes is null or contains(',' || g.user_classes || ',', ',' || c.user_class || ','))
        and (g.features is null or contains(',' || g.features || ',', ',' || c.feature || ','))
        and (g.endpoints is null or contains(',' || g.endpoints || ',', ',' || c.endpoint || ',')) as is_let_through
    from callers as c
    left join retrieval.access_rules as g
        on c.access_label = g.access_label
),

judged as (
    select
        access_label,
        tenant,
        user_class,
        feature,
        endpoint,
        case
            when max(case when has_rule then 1 else 0 end) = 0 then 'unknown_label'
            when max(case when is_let_through then 1 else 0 end) = 1 then 'allowed'
            when max(case when is_let_through is null then 1 else 0 end) = 1 then 'unknown_caller'
            else 'forbidden'
        end as access
    from asked_of
    group by access_label, tenant, user_class, feature, endpoint
)

select
    cast(f.day as date) as day,
    cast(f.file_id as string) as file_id,
    cast(f.record_number as bigint) as record_number,
    cast(f.ts as timestamp with time zone) as ts,
    cast(f.request_id as string) as request_id,
    cast(f.user_token as string) as user_token,
    cast(f.tenant as string) as tenant,
    cast(f.user_class as string) as user_class,
    cast(f.feature as string) as feature,
    cast(f.endpoint as string) as endpoint,
    cast(f.environment as string) as environment,
    cast(f.index_version as string) as index_version,
    cast(f.document_id as string) as document_id,
    cast(f.document_version as string) as document_version,
    cast(f.document_rank as integer) as document_rank,
    cast(f.corpus as string) as corpus,
    cast(f.state as string) as state,
    cast(f.access_label as string) as access_label,
    cast(case when f.is_known then j.access else 'unknown_document' end as string) as access,
    cast(case when f.is_known then coalesce(f.day > f.valid_until, false) end as boolean) as is_expired,
    cast(
        case
            when f.document_version = f.version_then then false
            when contains(',' || f.earlier_versions || ',', ',' || f.document_version || ',') then true
        end as boolean
    ) as is_outdated,
    cast(
        case
            when f.is_known
                then f.state <> 'live'
                    or coalesce(f.day > f.valid_until, false)
                    or coalesce(
                        f.document_version <> f.version_then
                        and contains(',' || f.earlier_versions || ',', ',' || f.document_version || ','),
                        false
                    )
        end as boolean
    ) as is_stale
from found as f
left join judged as j
    on f.access_label = j.access_label
    and f.tenant is not distinct from j.tenant
    and f.user_class is not distinct from j.user_class
    and f.feature is not distinct from j.feature
    and f.endpoint is not distinct from j.endpoint
