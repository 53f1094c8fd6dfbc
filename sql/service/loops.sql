-- One row per prompt that a caller sent 20 times or more within an hour, and per conversation that grew for 30 turns in a row.

with live as (
    select
        r.request_id,
        r.ts,
        r.tenant,
        r.feature,
        r.api_key_token,
        r.user_token,
        r.conversation_token,
        r.prompt_fingerprint,
        r.model,
        r.input_tokens,
        coalesce(c.unpriced_charges, 0) as unpriced_charges,
        c.priced_contracted_amount as contracted_amount
    from logs.requests as r
    left join cost.request_costs as c
        on c.request_id = r.request_id and c.day = cast($day as date)
    where
        r.day = cast($day as date)
        and coalesce(r.is_shadow, false) = false
        and coalesce(r.is_batch, false) = false
),

turns as (
    select
        *,
        lag(input_tokens) over (
            partition by tenant, feature, api_key_token, conversation_token
            order by ts nulls last, request_id nulls last
        ) as tokens_before
    from live
    where conversation_token is not null and input_tokens is not null
),

followed as (
    select
        *,
        'prompt_loop' as kind,
        prompt_fingerprint as repeated,
        -- Where nobody says who the user is, a conversation is somebody.
        coalesce(user_token, conversation_token, '') as caller,
        0 as streak
    from live
    where prompt_fingerprint is not null
    union all
    select
        request_id,
        ts,
        tenant,
        feature,
        api_key_token,
        user_token,
        conversation_token,
        prompt_fingerprint,
        model,
        input_tokens,
        unpriced_charges,
        contracted_amount,
        'growing_prompt' as kind,
        cast(null as string) as repeated,
        conversation_token as caller,
        -- A turn that is not longer than the one before begins a streak of its own.
        sum(case when input_tokens > tokens_before then 0 else 1 end) over (
            partition by tenant, feature, api_key_token, conversation_token
            order by ts nulls last, request_id nulls last
            rows between unbounded preceding and current row
        ) as streak
    from turns
),

counted as (
    select
        *,
        count(*) over (
            partition by kind, tenant, feature, api_key_token, caller, repeated, streak
            order by ts nulls last
            range between interval '1' hour preceding and current row
        ) as in_the_hour
    from followed
),

found as (
    select
        kind,
        tenant,
        feature,
        api_key_token,
        caller,
        repeated,
        max(user_token) as user_token,
        case when kind = 'growing_prompt' or max(user_token) is null then max(conversation_token) end as conversation_token,
        nullif(max_by(coalesce(model, ''), ts), '') as last_model,
        count(*) as requests,
        max(in_the_hour) as most_in_an_hour,
        min(ts) as first_seen,
        max(ts) as last_seen,
        min(input_tokens) as least_input_tokens,
        max(input_tokens) as most_input_tokens,
        sum(case when unpriced_charges > 0 then 1 else 0 end) as unpriced_requests,
        sum(contracted_amount) as contracted_amount
    from counted
    group by kind, tenant, feature, api_key_token, caller, repeated, streak
    having (kind = 'prompt_loop' and max(in_the_hour) >= 20) or (kind = 'growing_prompt' and count(*) >= 30)
),

longest as (
    select
        *,
        row_number() over (
            partition by kind, tenant, feature, api_key_token, caller, repeated
            order by requests desc, first_seen nulls last
        ) as place
    from found
    where kind = 'prompt_loop' or (most_input_tokens >= 20000 and most_input_tokens >= 3 * least_input_tokens)
)

select
    cast($day as date) as day,
    cast(kind as string) as kind,
    cast(tenant as string) as tenant,
    cast(feature as string) as feature,
    cast(api_key_token as string) as api_key_token,
    cast(user_token as string) as user_token,
    cast(conversation_token as string) as conversation_token,
    cast(repeated as string) as prompt_fingerprint,
    cast(last_model as string) as last_model,
    cast(
        case
            when unpriced_requests = 0
                and coalesce(contracted_amount, 0) < 0.0001 * requests
                and coalesce(contracted_amount, 0) < 1 then 'cheap'
            else 'loop'
        end as string
    ) as state,
    cast(requests as bigint) as requests,
    cast(most_in_an_hour as bigint) as most_in_an_hour,
    cast(first_seen as timestamp with time zone) as first_seen,
    cast(last_seen as timestamp with time zone) as last_seen,
    cast(least_input_tokens as bigint) as least_input_tokens,
    cast(most_input_tokens as bigint) as most_input_tokens,
    cast(unpriced_requests as bigint) as unpriced_requests,
    cast(contracted_amount as decimal(38, 12)) as contracted_amount
from longest
where place = 1
