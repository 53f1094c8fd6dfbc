-- One row per answered request and way in which it was unsafe: past the filter, a leaked prompt or document, others' data.

with seen as (
    select *
    from logs.requests
    where day = cast($day as date) and coalesce(is_shadow, false) = false
),

outputs as (
    select file_id, record_number, text, redactions
    from logs.texts
    where day = cast($day as date) and record_kind = 'request' and part = 'output'
),

-- What the model was given. Documents and results of tools are records of their own.
given as (
    select request_id, redactions
    from logs.texts
    where day = cast($day as date) and part in ('system', 'history', 'prompt', 'document', 'result')
),

marks as (
    select mark
    from (
        values
        ('"AU_TFN"'), ('"BANK_NUMBER"'), ('"BR_CPF"'), ('"CREDIT_CARD"'), ('"CRYPTO"'), ('"DE_TAX_ID"'), ('"DK_CPR"'),
        ('"DRIVER_LICENSE"'), ('"EMAIL_ADDRESS"'), ('"ES_NIF"'), ('"FI_HETU"'), ('"FR_NIR"'), ('"IBAN_CODE"'),
        ('"IN_AADHAAR"'), ('"IN_PAN"'), ('"IT_FISCAL_CODE"'), ('"KR_RRN"'), ('"MEDICAL_LICENSE"'), ('"NL_BSN"'),
        ('"PASSPORT"'), ('"PHONE_NUMBER"'), ('"PL_PESEL"'), ('"SECRET:'), ('"SE_PERSONNUMMER"'), ('"UK_NHS"'),
        ('"UK_NINO"'), ('"US_ITIN"'), ('"US_SSN"')
    ) as kinds (mark)
),

marked_outputs as (
    select s.request_id, o.redactions, m.mark
    from outputs as o
    inner join seen as s
        on s.file_id = o.file_id and s.record_number = o.record_number
    cross join marks as m
    where o.redactions is not null and contains(o.redactions, m.mark)
),

-- A mark that stands in something given makes it the caller's own; nothing given: nobody can say.
marked_givens as (
    select o.request_id, o.mark, o.redactions, max(case when contains(g.redactions, o.mark) then 1 else 0 end) as was_given
    from marked_outputs as o
    inner join given as g
        on g.request_id = o.request_id
    group by o.request_id, o.mark, o.redactions
),

unsafe as (
    select request_id, 'filter_bypass' as kind, cast(null as string) as output_redactions
    from seen
    where
        safety_input_verdict = 'block'
        and coalesce(safety_output_verdict, 'pass') <> 'block'
        and is_healthy(error_class, is_complete, finish_reason)
        and coalesce(finish_reason, '') not in ('content_filter', 'refusal')
        and coalesce(output_tokens, 0)
            + coalesce(reasoning_tokens, 0)
            + coalesce(audio_output_tokens, 0)
            + coalesce(image_output_tokens, 0) > 0
    union all
    select distinct
        s.request_id,
        case when c.stands_in = 'document' then 'document_leak' else 'canary_leak' end as kind,
        cast(null as string) as output_redactions
    from outputs as o
    inner join service.canaries as c
        on contains(o.text, c.canary)
    inner join seen as s
        on s.file_id = o.file_id and s.record_number = o.record_number
    union all
    select request_id, 'pii_in_output' as kind, max(redactions) as output_redactions
    from marked_givens
    where was_given = 0
    group by request_id
)

select
    cast($day as date) as day,
    cast(s.request_id as string) as request_id,
    cast(u.kind as string) as kind,
    cast(s.ts as timestamp with time zone) as ts,
    cast(s.tenant as string) as tenant,
    cast(s.feature as string) as feature,
    cast(s.environment as string) as environment,
    cast(s.provider as string) as provider,
    cast(s.model as string) as model,
    cast(s.prompt_version as string) as prompt_version,
    cast(s.endpoint_trust as string) as endpoint_trust,
    cast(s.user_token as string) as user_token,
    cast(s.api_key_token as string) as api_key_token,
    cast(s.safety_category as string) as safety_category,
    cast(u.output_redactions as string) as output_redactions
from unsafe as u
inner join seen as s
    on s.request_id = u.request_id
