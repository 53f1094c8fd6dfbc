-- One row per promise of a feature whose budget burns too fast, named by the loudest rule.

with firing as (
    select
        day,
        slo,
        feature,
        rule,
        min(severity) as severity,
        min(first_firing_at) as first_seen,
        max(last_firing_at) as last_seen,
        max_by(long_bad, long_burn_rate) as bad,
        max_by(long_total, long_burn_rate) as total,
        max(long_burn_rate) as burn_rate,
        max_by(factor, long_burn_rate) as factor,
        max(long_window_min) as long_window_min,
        max(short_window_min) as short_window_min,
        nullif(max_by(coalesce(top_model, ''), long_burn_rate), '') as model
    from service.burn_rates
    where state = 'firing'
    group by day, slo, feature, rule
),

-- One burn makes several rules fire: the loudest names it, page before ticket, fast before slow.
ranked as (
    select
        *,
        row_number() over (
            partition by day, slo, feature
            order by severity nulls last, long_window_min nulls last, factor desc, rule nulls last
        ) as place,
        count(*) over (partition by day, slo, feature) as rules,
        min(first_seen) over (partition by day, slo, feature, severity) as first_as_loud,
        -- A rule goes on firing until its short window is clear: that long a slow one says nothing new.
        max(
            case short_window_min
                when 360 then last_seen - interval '6' hour
                when 120 then last_seen - interval '2' hour
                else last_seen
            end
        ) over (partition by day, slo, feature) as last_of_all
    from firing
),

loudest as (
    select
        *,
        greatest(last_seen, last_of_all) as last_as_known,
        lag(greatest(last_seen, last_of_all)) over (partition by slo, feature order by day nulls last) as last_before
    from ranked
    where place = 1
),

episodes as (
    select
        *,
        sum(case when last_before >= first_as_loud - interval '24' hour then 0 else 1 end)
            over (partition by slo, feature order by day nulls last) as episode
    from loudest
),

-- What grows from ticket to page is news once more. What fades from page to ticket is not: it stays what it was.
burning as (
    select
        *,
        max(case when severity = 'page' then 1 else 0 end)
            over (partition by slo, feature, episode order by day nulls last) as was_page
    from episodes
)

select
    cast($day as date) as day,
    finding_name(
        'burn_rate', b.slo, b.feature, null, null, case when b.was_page = 1 then 'page' else '' end
    ) as fingerprint,
    'burn_rate.' || b.rule as rule,
    b.severity,
    b.feature || ', ' || b.slo || coalesce(', mostly ' || b.model, '') || ': ' || cast(b.bad as string) || ' of '
    || cast(b.total as string) || ' bad in ' || cast(cast(b.long_window_min / 60 as integer) as string)
    || ' h, budget burns ' || cast(cast(b.burn_rate as decimal(38, 1)) as string) || ' x (promised '
    || cast(round(100 * s.target, 6) as string) || ' %)'
    || case b.rules
        when 1 then ''
        when 2 then '; 1 more rule fires'
        else '; ' || cast(b.rules - 1 as string) || ' more rules fire'
    end as title,
    b.feature,
    b.model,
    cast(null as string) as prompt_version,
    cast(null as string) as tenant,
    cast(null as string) as api_key_token,
    b.slo,
    s.cause_class,
    s.component,
    b.first_as_loud as first_seen,
    b.last_as_known as last_seen,
    b.bad as n,
    b.burn_rate as value,
    b.factor as threshold,
    '1' as unit,
    s.runbook,
    'select * from service.burn_rates where ' || sql_equals('day', cast(cast($day as date) as string))
    || ' and ' || sql_equals('slo', b.slo) || ' and ' || sql_equals('feature', b.feature)
    || ' and ' || sql_equals('state', 'firing') || ' order by rule, hour_start' as evidence,
    true as is_replayed_rule
from burning as b
inner join service.slos as s
    on s.slo = b.slo and s.feature = b.feature
where b.day = cast($day as date)
