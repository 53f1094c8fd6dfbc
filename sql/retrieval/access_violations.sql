-- One row per document that a request received though its access label, as it was then, does not allow it.
select
    cast(day as date) as day,
    cast(file_id as string) as file_id,
    cast(record_number as bigint) as record_number,
    cast(ts as timestamp with time zone) as ts,
    cast(request_id as string) as request_id,
    cast(user_token as string) as user_token,
    cast(tenant as string) as tenant,
    cast(user_class as string) as user_class,
    cast(feature as string) as feature,
    cast(endpoint as string) as endpoint,
    cast(environment as string) as environment,
    cast(index_version as string) as index_version,
    cast(document_id as string) as document_id,
    cast(document_rank as integer) as document_rank,
    cast(corpus as string) as corpus,
    cast(state as string) as state,
    cast(access_label as string) as access_label
from retrieval.retrieved
where day = cast($day as date) and access = 'forbidden'
