-- One row per document of the knowledge base: the newest of what became of it.
with ranked as (
    select
        *,
        row_number() over (partition by document_id order by recorded_at desc) as place
    from retrieval.documents
)

select
    cast(document_id as string) as document_id,
    cast(index_name as string) as index_name,
    cast(corpus as string) as corpus,
    cast(version as string) as version,
    cast(state as string) as state,
    cast(reason as string) as reason,
    cast(chunker as string) as chunker,
    cast(title as string) as title,
    cast(source_uri as string) as source_uri,
    cast(owner as string) as owner,
    cast(access_label as string) as access_label,
    cast(valid_until as date) as valid_until,
    cast(updated_at as timestamp) as updated_at,
    cast(characters as bigint) as characters,
    cast(recorded_at as timestamp) as since
from ranked
where place = 1
