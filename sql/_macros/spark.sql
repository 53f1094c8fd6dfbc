-- The twin of duckdb.sql for Spark-compatible engines: the same names with the same meaning.
-- Spark has regexp_like itself; its patterns are Java's, and those of the price catalogue mean the same in both.

-- gpt-5.2-20251211 -> gpt-5.2-2025-12-11; a text without a compact date stays as it is.
create or replace temporary function dashed_model_date(model_name string) returns string return regexp_replace(
    model_name, '-(20[0-9]{2})(0[1-9]|1[0-2])(0[1-9]|[12][0-9]|3[01])(-|:|$)', '-$1-$2-$3$4'
);
