-- The twin of duckdb.sql for Spark-compatible engines: the same names with the same meaning.
-- Spark has regexp_like itself; its patterns are Java's, and those of the price catalogue mean the same in both.

-- gpt-5.2-20251211 -> gpt-5.2-2025-12-11; a text without a compact date stays as it is.
create or replace temporary function dashed_model_date(model_name string) returns string return regexp_replace(
    model_name, '-(20[0-9]{2})(0[1-9]|1[0-2])(0[1-9]|[12][0-9]|3[01])(-|:|$)', '-$1-$2-$3$4'
);

-- Start of the five minutes (UTC) that an instant lies in.
create or replace temporary function five_minutes(moment timestamp) returns timestamp return
    timestamp_seconds(unix_timestamp(moment) - pmod(unix_timestamp(moment), 300));

-- A limit on the number of requests or tokens in a time turned the call away, whoever set the limit.
create or replace temporary function is_rate_limited(http_status int, error_code string) returns boolean return
    coalesce(http_status = 429, false)
    or coalesce(
        regexp_like(lower(error_code), '(^|[^0-9])429([^0-9]|$)|rate.?limit|too.?many.?requests|throttl|quota'), false
    );

-- Nobody answered in time.
create or replace temporary function is_timeout(http_status int, error_code string) returns boolean return
    coalesce(http_status in (408, 504, 524), false)
    or coalesce(regexp_like(lower(error_code), 'time.?out|timed.?out|deadline.?exceeded'), false);

-- May the service be judged by the request? Not where its failure is the caller's; a rate limit is never the caller's.
create or replace temporary function is_valid_request(error_class string, http_status int, error_code string)
returns boolean return coalesce(error_class <> 'client', true) or is_rate_limited(http_status, error_code);

-- An answer arrived, whole, and it is not an error.
create or replace temporary function is_healthy(error_class string, is_complete boolean, finish_reason string)
returns boolean return
    error_class is null and coalesce(is_complete, true) and coalesce(finish_reason <> 'error', true);

-- The logarithmic bin of a measured value: values of one bin are within 1 % of log_bin_value. Zero has a bin of its own
-- below all others; NULL for what is below zero, which no duration is, and for NULL.
create or replace temporary function log_bin(measured double) returns int return
    case
        when measured > 0 then cast(ceil(ln(least(measured, 1e300)) / ln(1.01e0 / 0.99e0)) as int)
        when measured = 0 then -100000
    end;

-- The value that stands for a bin of log_bin: gamma^bin * 2 / (1 + gamma), gamma = 1.01 / 0.99; 0 for the bin of zero.
create or replace temporary function log_bin_value(bin int) returns double return
    case when bin = -100000 then 0e0 else power(1.01e0 / 0.99e0, bin) * 0.99e0 end;

-- A measured value to a thousandth, whose sums are the same in whatever order they are added; above 10^12 it is 10^12.
create or replace temporary function exact(measured double) returns decimal(18, 3) return
    case when measured is not null then cast(least(measured, 1e12) as decimal(18, 3)) end;

-- The bounds of the 95 % interval (Wilson's score interval) of a share: `hits` of `trials`; NULL without trials.
create or replace temporary function wilson_low(hits bigint, trials bigint) returns double return
    case
        when trials > 0 and hits is not null then greatest(
            0e0,
            (
                hits + 1.920729410347062e0
                - 1.959963984540054e0 * sqrt(
                    greatest(0e0, cast(hits as double) * (trials - hits) / nullif(cast(trials as double), 0)) + 0.960364705173531e0
                )
            ) / (trials + 3.841458820694124e0)
        )
    end;
create or replace temporary function wilson_high(hits bigint, trials bigint) returns double return
    case
        when trials > 0 and hits is not null then least(
            1e0,
            (
                hits + 1.920729410347062e0
                + 1.959963984540054e0 * sqrt(
                    greatest(0e0, cast(hits as double) * (trials - hits) / nullif(cast(trials as double), 0)) + 0.960364705173531e0
                )
            ) / (trials + 3.841458820694124e0)
        )
    end;

-- A condition of a WHERE clause as text, safe for any value: "feature = 'it''s'", or "feature is null".
create or replace temporary function sql_equals(column_name string, wanted string) returns string return
    column_name || case
        when wanted is null then ' is null'
        else ' = ' || chr(39) || replace(wanted, chr(39), chr(39) || chr(39)) || chr(39)
    end;

-- Does a feature's declaration let an environment count? A declaration without environments counts all, named or not.
create or replace temporary function is_counted_in(environment string, environments string) returns boolean return
    environments is null or coalesce(contains(',' || environments || ',', ',' || environment || ','), false);

-- Is a model's name that of a dated or numbered release of an alias? large-2026-08-06 is one of large and of large-latest.
create or replace temporary function is_release_of(released string, alias string) returns boolean return
    coalesce(
        substr(released, 1, length(replace(alias, '-latest', '')) + 1) = replace(alias, '-latest', '') || '-'
        and regexp_like(substr(released, length(replace(alias, '-latest', '')) + 2), '^[0-9-]{3,10}$'),
        false
    );

-- A version of a prompt as all who name it mean it: registries count 94, manifests and applications say v94.
create or replace temporary function version_name(version string) returns string return
    case when regexp_like(version, '^[0-9]+$') then 'v' || version else version end;

-- Whole seconds from one instant to a later one, in minutes; days from one date to a later one.
create or replace temporary function minutes_between(earlier timestamp, later timestamp) returns double return
    cast(unix_timestamp(later) - unix_timestamp(earlier) as double) / 60;
create or replace temporary function days_between(earlier date, later date) returns int return datediff(later, earlier);

-- What makes findings of different days the same: its parts between bars, each empty where the rule has none, with % and |
-- within a part as %25 and %7C.
create or replace temporary function finding_part(part string) returns string return
    replace(replace(part, '%', '%25'), '|', '%7C');
create or replace temporary function finding_name(
    rule string, slo string, feature string, model string, tenant string, subject string
) returns string return
    rule || '|' || finding_part(coalesce(slo, '')) || '|' || finding_part(coalesce(feature, '')) || '|'
    || finding_part(coalesce(model, '')) || '|' || finding_part(coalesce(tenant, '')) || '|' || finding_part(subject);
