-- One row per request and charge class: what one kind of token of one request cost, or why that is not known.
-- A request without a chargeable class still has one row, of class 'none': nothing that was asked goes missing.

with requests as (
    select
        r.request_id,
        r.ts,
        r.provider,
        r.model,
        r.service_tier,
        r.is_batch,
        r.is_billed,
        r.error_class,
        coalesce(r.response_cache_hit, false) as is_cache_hit,
        -- The tier of a price is decided by the whole input, whatever classes it is made of.
        coalesce(r.input_tokens, 0) as total_input_tokens,
        cast(extract(hour from r.ts) * 3600 + extract(minute from r.ts) * 60 + floor(extract(second from r.ts)) as integer)
            as second_of_day,
        r.uncached_input_tokens,
        r.cache_read_tokens,
        r.cache_write_5m_tokens,
        r.cache_write_1h_tokens,
        r.audio_input_tokens,
        r.audio_cache_read_tokens,
        r.image_input_tokens,
        r.output_tokens,
        r.reasoning_tokens,
        r.audio_output_tokens,
        r.image_output_tokens,
        coalesce(
            r.uncached_input_tokens, r.cache_read_tokens, r.cache_write_5m_tokens, r.cache_write_1h_tokens,
            r.audio_input_tokens, r.audio_cache_read_tokens, r.image_input_tokens
        ) is not null as is_input_measured,
        coalesce(r.output_tokens, r.reasoning_tokens, r.audio_output_tokens, r.image_output_tokens) is not null
            as is_output_measured,
        coalesce(r.uncached_input_tokens, 0) + coalesce(r.cache_read_tokens, 0) + coalesce(r.cache_write_5m_tokens, 0)
            + coalesce(r.cache_write_1h_tokens, 0) + coalesce(r.audio_input_tokens, 0) + coalesce(r.audio_cache_read_tokens, 0)
            + coalesce(r.image_input_tokens, 0) + coalesce(r.output_tokens, 0) + coalesce(r.reasoning_tokens, 0)
            + coalesce(r.audio_output_tokens, 0) + coalesce(r.image_output_tokens, 0) as measured_tokens
    from logs.requests as r
    where r.day = cast($day as date)
),

-- Which catalogue entry prices a logged model is settled once for each of the day's few distinct combinations.
buyers as (
    select distinct
        provider,
        model,
        service_tier,
        is_batch,
        trim(lower(provider)) as provider_text,
        lower(model) as model_text,
        -- Some providers report the batch interface as a service tier.
        coalesce(is_batch, false) or coalesce(service_tier, '') = 'batch' as wants_batch
    from requests
),

rules as (
    select *
    from cost.price_models
    where valid_from <= cast(cast($day as date) as timestamp with time zone)
        and cast(cast($day as date) as timestamp with time zone) < valid_to
),

-- The provider: by its name; a gateway named litellm hides it in the model's name; where none is given, by the model.
provider_questions as (
    select distinct provider_text, model_text, 1 as step, 'provider' as finds, provider_text as asked, model_text as then_model
    from buyers
    where provider_text is not null and model_text is not null
    union all
    select distinct
        provider_text, model_text, 1, 'provider', split_part(model_text, '/', 1), substr(model_text, instr(model_text, '/') + 1)
    from buyers
    where provider_text = 'litellm' and instr(model_text, '/') > 0
    union all
    select distinct provider_text, model_text, 2, 'provider_of_model', model_text, model_text
    from buyers
    where model_text is not null and (provider_text is null or provider_text = 'litellm')
),

provider_answers as (
    select q.provider_text, q.model_text, q.step, q.then_model, r.rule_id, r.rank, r.found_provider
    from provider_questions as q
    inner join rules as r
        on r.finds = q.finds
        and case r.operator
            when 'equals' then q.asked = r.operand
            when 'starts_with' then substr(q.asked, 1, length(r.operand)) = r.operand
            when 'ends_with' then right(q.asked, length(r.operand)) = r.operand
            when 'contains' then instr(q.asked, r.operand) > 0
            when 'regex' then regexp_like(q.asked, r.operand)
            when 'not_regex' then not regexp_like(q.asked, r.operand)
        end
    group by q.provider_text, q.model_text, q.step, q.then_model, r.rule_id, r.rank, r.found_provider, r.clause_count
    having count(*) = r.clause_count
),

providers as (
    select provider_text, model_text, then_model, found_provider
    from (
        select
            *,
            row_number() over (partition by provider_text, model_text order by step nulls last, rank nulls last, rule_id nulls last) as place
        from provider_answers
    ) as ranked
    where place = 1
),

-- The model within its provider: as it is written, else with a compact date such as -20251211 written with dashes.
model_questions as (
    select provider_text, model_text, found_provider, 1 as step, then_model as asked from providers
    union all
    select provider_text, model_text, found_provider, 2, dashed_model_date(then_model)
    from providers
    where dashed_model_date(then_model) <> then_model
),

model_answers as (
    select q.provider_text, q.model_text, q.step, r.rule_id, r.rank, r.found_provider, r.found_model, r.uses_price_context
    from model_questions as q
    inner join rules as r
        on r.finds = 'model'
        and r.scope_provider = q.found_provider
        and case r.operator
            when 'equals' then q.asked = r.operand
            when 'starts_with' then substr(q.asked, 1, length(r.operand)) = r.operand
            when 'ends_with' then right(q.asked, length(r.operand)) = r.operand
            when 'contains' then instr(q.asked, r.operand) > 0
            when 'regex' then regexp_like(q.asked, r.operand)
            when 'not_regex' then not regexp_like(q.asked, r.operand)
        end
    group by
        q.provider_text, q.model_text, q.step, r.rule_id, r.rank, r.found_provider, r.found_model, r.uses_price_context,
        r.clause_count
    having count(*) = r.clause_count
),

models as (
    select provider_text, model_text, found_provider, found_model, uses_price_context
    from (
        select
            *,
            row_number() over (partition by provider_text, model_text order by step nulls last, rank nulls last, rule_id nulls last) as place
        from model_answers
    ) as ranked
    where place = 1
),

day_prices as (
    select *
    from cost.prices
    where valid_from < cast(cast($day as date) + interval '1' day as timestamp with time zone)
        and cast(cast($day as date) as timestamp with time zone) < valid_to
),

contexts as (
    select distinct provider, model, is_batch, service_tier from day_prices
),

-- The nearest context that the model has prices for; a model of a fallback provider is always charged as standard.
offers as (
    select
        *,
        row_number() over (
            order by provider nulls first, model nulls first, service_tier nulls first, is_batch nulls first
        ) as offer_number
    from (
        select
            b.provider,
            b.model,
            b.service_tier,
            b.is_batch,
            m.found_provider,
            m.found_model,
            c.is_batch as priced_as_batch,
            c.service_tier as priced_service_tier,
            case
                when b.model_text is null then 'no_model'
                when p.found_provider is null then 'unknown_provider'
                when m.found_model is null then 'unknown_model'
            end as gap,
            case
                when m.found_model is null or c.is_batch is null then null
                when b.wants_batch and not c.is_batch then 'batch_at_standard_price'
                when c.service_tier is null and b.service_tier not in ('standard', 'default', 'auto', 'batch')
                    then 'service_tier_at_standard_price'
            end as note,
            row_number() over (
                partition by b.provider, b.model, b.service_tier, b.is_batch
                order by c.is_batch desc nulls last, c.service_tier asc nulls last
            ) as place
        from buyers as b
        left join providers as p
            on p.provider_text is not distinct from b.provider_text and p.model_text = b.model_text
        left join models as m
            on m.provider_text is not distinct from b.provider_text and m.model_text = b.model_text
        left join contexts as c
            on c.provider = m.found_provider
            and c.model = m.found_model
            and (not c.is_batch or (b.wants_batch and m.uses_price_context))
            and (c.service_tier is null or (c.service_tier = b.service_tier and m.uses_price_context))
    ) as candidates
    where place = 1
),

rates as (
    select o.offer_number, p.*
    from offers as o
    inner join day_prices as p
        on p.provider = o.found_provider
        and p.model = o.found_model
        and p.is_batch = o.priced_as_batch
        and p.service_tier is not distinct from o.priced_service_tier
),

offered as (
    select
        r.*,
        o.offer_number,
        o.gap,
        o.note,
        case
            when r.is_cache_hit then 'response_cache_hit'
            when r.is_billed = false then 'not_billed_by_provider'
            when r.error_class is not null and not r.is_input_measured and not r.is_output_measured and r.is_billed is null
                then 'failed_unbilled'
        end as free_because
    from requests as r
    inner join offers as o
        on o.provider is not distinct from r.provider
        and o.model is not distinct from r.model
        and o.service_tier is not distinct from r.service_tier
        and o.is_batch is not distinct from r.is_batch
),

-- `is_certain` is false where a line stands only if the model has a rate for it.
lines as (
    select *, 'uncached_input' as charge_class, uncached_input_tokens as quantity, true as is_certain
    from offered where uncached_input_tokens > 0
    union all
    select *, 'cache_read', cache_read_tokens, true from offered where cache_read_tokens > 0
    union all
    select *, 'cache_write_5m', cache_write_5m_tokens, true from offered where cache_write_5m_tokens > 0
    union all
    select *, 'cache_write_1h', cache_write_1h_tokens, true from offered where cache_write_1h_tokens > 0
    union all
    select *, 'audio_input', audio_input_tokens, true from offered where audio_input_tokens > 0
    union all
    select *, 'audio_cache_read', audio_cache_read_tokens, true from offered where audio_cache_read_tokens > 0
    union all
    select *, 'image_input', image_input_tokens, true from offered where image_input_tokens > 0
    union all
    select *, 'output', output_tokens, true from offered where output_tokens > 0
    union all
    select *, 'reasoning', reasoning_tokens, true from offered where reasoning_tokens > 0
    union all
    select *, 'audio_output', audio_output_tokens, true from offered where audio_output_tokens > 0
    union all
    select *, 'image_output', image_output_tokens, true from offered where image_output_tokens > 0
    union all
    -- A fee per request, where the model has one
    select *, 'request', 1, false from offered where free_because is null
    union all
    -- One side measured, the other not: the gap is a line, so that half a bill does not pass for a whole one
    select *, 'uncached_input', null, true from offered
    where free_because is null and not is_input_measured and is_output_measured
    union all
    -- Embedding models have no output and no rate for it; a call that failed may have had none
    select *, 'output', null, false from offered
    where free_because is null and is_input_measured and not is_output_measured and (error_class is null or is_billed)
    union all
    -- Nothing measured, or measured as nothing
    select *, 'none', case when is_input_measured or is_output_measured then 0 end, true from offered
    where measured_tokens = 0 and not (free_because is null and is_output_measured and not is_input_measured)
),

priced as (
    select
        l.request_id,
        l.ts,
        l.provider,
        l.model,
        l.charge_class,
        cast(l.quantity as decimal(11, 0)) as quantity,
        case when l.charge_class = 'request' then 'request' else 'token' end as unit,
        case when l.free_because is null and l.quantity is not null then p.price_id end as price_id,
        case when l.free_because is null and l.quantity is not null then p.rate_per_million end as rate_per_million,
        case when l.free_because is null and l.quantity is not null then p.contracted_rate_per_million end
            as contracted_rate_per_million,
        case
            when l.free_because is not null then 'USD'
            when l.charge_class = 'none' and l.quantity = 0 then 'USD'
            when l.quantity is not null then p.currency
        end as billed_currency,
        case
            when l.free_because is not null then 'not_billed'
            when l.charge_class = 'none' and l.quantity = 0 then 'not_billed'
            when l.quantity is not null and p.price_id is not null then 'priced'
            else 'unpriced'
        end as state,
        case
            when l.free_because is not null then l.free_because
            when l.charge_class = 'none' and l.quantity = 0 then 'no_usage'
            when l.quantity is null then 'tokens_unmeasured'
            when p.price_id is not null then null
            when l.gap is not null then l.gap
            else 'no_rate_for_class'
        end as reason,
        case when l.free_because is null and p.price_id is not null then l.note end as note
    from lines as l
    left join rates as p
        on p.offer_number = l.offer_number
        and p.charge_class = l.charge_class
        and p.tier_from_tokens <= l.total_input_tokens and l.total_input_tokens < p.tier_to_tokens
        and p.from_second_of_day <= l.second_of_day and l.second_of_day < p.to_second_of_day
        and p.valid_from <= l.ts and l.ts < p.valid_to
    where l.is_certain or p.price_id is not null
)

select
    cast($day as date) as day,
    cast(request_id as string) as request_id,
    cast(ts as timestamp with time zone) as ts,
    cast(provider as string) as provider,
    cast(model as string) as model,
    cast(charge_class as string) as charge_class,
    cast(quantity as decimal(11, 0)) as quantity,
    cast(unit as string) as unit,
    cast(price_id as string) as price_id,
    cast(rate_per_million as decimal(19, 6)) as rate_per_million,
    cast(case when state = 'not_billed' then 0 else quantity * rate_per_million * 0.000001 end as decimal(38, 12)) as list_amount,
    cast(contracted_rate_per_million as decimal(19, 6)) as contracted_rate_per_million,
    cast(case when state = 'not_billed' then 0 else quantity * contracted_rate_per_million * 0.000001 end as decimal(38, 12))
        as contracted_amount,
    cast(billed_currency as string) as billed_currency,
    cast(state as string) as state,
    cast(reason as string) as reason,
    cast(note as string) as note
from priced
