-- Rates that people's labels carry, over the last seven days
select verdict, coalesce(feature, 'all') as feature, rate, low, high, n_labelled, method
from quality.rates
where
    day = (select max(day) from quality.rates where day <= $last)
    and window_days = 7 and (scope = 'all' or (scope = 'feature' and feature is not null))
order by verdict, feature <> 'all', feature
