-- One row per day (UTC) on which conversations began, tenant and feature: how long they were, and how they ended.
with turns as (
    select
        *,
        is_healthy(error_class, is_complete, finish_reason) as is_whole,
        row_number() over (
            partition by tenant, conversation_token order by ts nulls last, conversation_turn nulls last, request_id nulls last
        ) as from_first,
        row_number() over (
            partition by tenant, conversation_token order by ts desc, conversation_turn desc, request_id desc
        ) as from_last
    from logs.requests
    where conversation_token is not null and coalesce(is_shadow, false) = false
),

said as (
    select
        coalesce(turns.tenant, said.tenant) as tenant,
        coalesce(turns.conversation_token, said.conversation_token) as conversation_token,
        max(case when said.feedback_kind = 'escalation' and coalesce(said.feedback_value, 1) > 0 then 1 else 0 end)
            as is_escalated
    from logs.feedback as said
    left join turns
        on said.request_id = turns.request_id and said.request_day = turns.day
    group by coalesce(turns.tenant, said.tenant), coalesce(turns.conversation_token, said.conversation_token)
),

conversations as (
    select
        tenant,
        conversation_token,
        min(day) as day,
        max(case when from_first = 1 then feature end) as feature,
        count(*) as requests,
        -- A turn of an agent is many requests; where turns are not numbered, a request is one.
        count(distinct conversation_turn) + count(case when conversation_turn is null then 1 end) as turns,
        max(case when from_last = 1 and not is_whole then 1 else 0 end) as ended_in_failure,
        count(case when input_tokens is not null and output_tokens is not null then 1 end) as counted_requests,
        sum(case when input_tokens is not null and output_tokens is not null then input_tokens + output_tokens end) as tokens
    from turns
    group by tenant, conversation_token
),

figures as (
    select
        c.day,
        c.tenant,
        c.feature,
        count(*) as conversations,
        sum(c.requests) as requests,
        sum(c.turns) as turns,
        sum(case when c.counted_requests = c.requests then c.turns end) as counted_turns,
        sum(case when c.counted_requests = c.requests then c.tokens end) as tokens,
        count(case when c.turns = 1 then 1 end) as one_turn_conversations,
        sum(c.ended_in_failure) as ended_in_failure,
        count(case when c.turns = 1 or c.ended_in_failure = 1 then 1 end) as dropped_off,
        count(said.is_escalated) as conversations_with_feedback,
        count(case when said.is_escalated = 1 then 1 end) as escalated
    from conversations as c
    left join said
        on c.conversation_token = said.conversation_token and c.tenant is not distinct from said.tenant
    group by c.day, c.tenant, c.feature
)

select
    cast(day as date) as day,
    cast(tenant as string) as tenant,
    cast(feature as string) as feature,
    cast(conversations as bigint) as conversations,
    cast(requests as bigint) as requests,
    cast(turns as bigint) as turns,
    cast(cast(turns as double) / nullif(conversations, 0) as double) as turns_per_conversation,
    cast(counted_turns as bigint) as counted_turns,
    cast(tokens as bigint) as tokens,
    cast(cast(tokens as double) / nullif(counted_turns, 0) as double) as tokens_per_turn,
    cast(one_turn_conversations as bigint) as one_turn_conversations,
    cast(ended_in_failure as bigint) as ended_in_failure,
    cast(dropped_off as bigint) as dropped_off,
    cast(cast(dropped_off as double) / nullif(conversations, 0) as double) as drop_off_rate,
    cast(wilson_low(dropped_off, conversations) as double) as drop_off_rate_low,
    cast(wilson_high(dropped_off, conversations) as double) as drop_off_rate_high,
    cast(conversations_with_feedback as bigint) as conversations_with_feedback,
    cast(escalated as bigint) as escalated,
    cast(case when conversations_with_feedback > 0 then cast(escalated as double) / nullif(conversations, 0) end as double)
        as escalation_rate
from figures
