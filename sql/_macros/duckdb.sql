-- The few functions that engines spell differently, under the name that the SQL of all questions uses.

-- Is the pattern found anywhere in the text? (RE2)
create or replace macro regexp_like(text_value, pattern) as regexp_matches(text_value, pattern);

-- gpt-5.2-20251211 -> gpt-5.2-2025-12-11; a text without a compact date stays as it is.
create or replace macro dashed_model_date(model_name) as regexp_replace(
    model_name, '-(20\d{2})(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])(-|:|$)', '-\1-\2-\3\4', 'g'
);
