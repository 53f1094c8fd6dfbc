-- One row per day, segment, metric and bin: how many requests lie in it.
with counted as (
    select r.*
    from logs.requests as r
    left join service.features as f
        on r.feature = f.feature
    where coalesce(r.is_shadow, false) = false and is_counted_in(r.environment, f.environments)
),

kinds as (
    select segment_kind from (values ('all'), ('feature'), ('model'), ('tenant')) as kinds (segment_kind)
),

-- Which segments stand for themselves is asked of a week: a quiet Sunday does not send one to the others.
sizes as (
    select segment_kind, segment, count(*) as requests
    from (
        select
            kinds.segment_kind,
            case kinds.segment_kind when 'feature' then c.feature when 'model' then c.model when 'tenant' then c.tenant end as segment
        from counted as c
        cross join kinds
    ) as keyed
    where segment is not null
    group by segment_kind, segment
),

largest as (
    select segment_kind, segment
    from (
        select
            segment_kind,
            segment,
            row_number() over (partition by segment_kind order by requests desc, segment nulls last) as place
        from sizes
    ) as ranked
    where place <= 20
),

today as (
    select
        c.*,
        costs.contracted_amount,
        coalesce(f.segment, case when c.feature is not null then '(others)' end) as feature_segment,
        coalesce(m.segment, case when c.model is not null then '(others)' end) as model_segment,
        coalesce(t.segment, case when c.tenant is not null then '(others)' end) as tenant_segment
    from counted as c
    left join cost.request_costs as costs
        on c.request_id = costs.request_id
    left join largest as f
        on f.segment_kind = 'feature' and c.feature = f.segment
    left join largest as m
        on m.segment_kind = 'model' and c.model = m.segment
    left join largest as t
        on t.segment_kind = 'tenant' and c.tenant = t.segment
    where c.day = cast($day as date)
),

numbers as (
    select
        feature_segment,
        model_segment,
        tenant_segment,
        'numeric' as family,
        metrics.metric,
        case
            metrics.metric
            when 'input_tokens' then cast(input_tokens as double)
            when 'output_tokens' then cast(output_tokens as double)
            when 'prompt_characters' then cast(prompt_characters as double)
            when 'output_characters' then cast(output_characters as double)
            when 'conversation_turn' then cast(conversation_turn as double)
            when 'citation_count' then cast(citation_count as double)
            -- Nobody waits at a batch.
            when 'latency_ms' then case when coalesce(is_batch, false) = false then latency_ms end
            when 'time_to_first_token_ms' then case when coalesce(is_batch, false) = false then time_to_first_token_ms end
            when 'retrieval_ms' then retrieval_ms
            when 'cost_usd' then cast(contracted_amount as double)
        end as measured
    from today
    cross join (
        values
        ('input_tokens'), ('output_tokens'), ('prompt_characters'), ('output_characters'), ('conversation_turn'),
        ('citation_count'), ('latency_ms'), ('time_to_first_token_ms'), ('retrieval_ms'), ('cost_usd')
    ) as metrics (metric)
),

words as (
    select
        feature_segment,
        model_segment,
        tenant_segment,
        'categorical' as family,
        metrics.metric,
        case
            metrics.metric
            when 'prompt_language' then prompt_language
            when 'output_language' then output_language
            when 'finish_reason' then finish_reason
            when 'error_class' then coalesce(error_class, 'none')
            when 'refusal' then case
                when finish_reason in ('content_filter', 'refusal') or lower(error_code) in ('content_filter', 'refusal')
                    then 'yes'
                when finish_reason is not null or error_code is not null then 'no'
            end
            when 'provider' then provider
            when 'model' then model
            when 'prompt_version' then prompt_version
            when 'route' then route
            when 'service_tier' then service_tier
            when 'safety_input_verdict' then safety_input_verdict
            when 'safety_output_verdict' then safety_output_verdict
            when 'safety_category' then safety_category
            when 'response_cache' then case when response_cache_hit then 'hit' when response_cache_lookup then 'miss' end
            when 'embedder_version' then embedder_version
            when 'index_version' then index_version
        end as category
    from today
    cross join (
        values
        ('prompt_language'), ('output_language'), ('finish_reason'), ('error_class'), ('refusal'), ('provider'), ('model'),
        ('prompt_version'), ('route'), ('service_tier'), ('safety_input_verdict'), ('safety_output_verdict'),
        ('safety_category'), ('response_cache'), ('embedder_version'), ('index_version')
    ) as metrics (metric)
),

-- Summed as decimals: sums of doubles differ with the order in which they are added.
cells as (
    select
        feature_segment,
        model_segment,
        tenant_segment,
        family,
        metric,
        case when measured > 0 then cast(log_bin(measured) as string) when measured <= 0 then '' end as bin,
        count(*) as requests,
        sum(cast(least(measured, 1e15) as decimal(28, 9))) as value_sum
    from numbers
    group by
        feature_segment, model_segment, tenant_segment, family, metric,
        case when measured > 0 then cast(log_bin(measured) as string) when measured <= 0 then '' end
    union all
    select
        feature_segment,
        model_segment,
        tenant_segment,
        family,
        metric,
        category as bin,
        count(*) as requests,
        cast(null as decimal(38, 9)) as value_sum
    from words
    group by feature_segment, model_segment, tenant_segment, family, metric, category
),

-- A metric that nothing measures today has no rows; of its many values, the hundred commonest stand for themselves.
values_of_the_day as (
    select
        family,
        metric,
        bin,
        case when family = 'numeric' or place <= 100 then bin else '(others)' end as kept_bin
    from (
        select
            family,
            metric,
            bin,
            row_number() over (partition by family, metric order by sum(requests) desc, bin nulls last) as place
        from cells
        where bin is not null
        group by family, metric, bin
    ) as ranked
),

measured as (
    select distinct family, metric from values_of_the_day
),

rolled as (
    select
        kinds.segment_kind,
        case kinds.segment_kind
            when 'all' then ''
            when 'feature' then cells.feature_segment
            when 'model' then cells.model_segment
            when 'tenant' then cells.tenant_segment
        end as segment,
        cells.family,
        cells.metric,
        v.kept_bin as bin,
        cells.requests,
        cells.value_sum
    from cells
    inner join measured
        on cells.family = measured.family and cells.metric = measured.metric
    left join values_of_the_day as v
        on cells.family = v.family and cells.metric = v.metric and cells.bin = v.bin
    cross join kinds
    -- What a segment is made by does not vary within it.
    where kinds.segment_kind <> cells.metric
)

select
    cast($day as date) as day,
    cast(segment_kind as string) as segment_kind,
    cast(segment as string) as segment,
    cast(family as string) as family,
    cast(metric as string) as metric,
    cast(bin as string) as bin,
    cast(sum(case when bin is not null then requests else 0 end) as bigint) as n,
    cast(sum(case when bin is not null then value_sum end) as double) as value_sum,
    cast(sum(case when bin is null then requests end) as bigint) as unmeasured
from rolled
where segment is not null
group by segment_kind, segment, family, metric, bin
