-- How far people agree, and whether there are enough labels
select verdict, annotators, n_labelled, n_doubled, double_share, alpha, sensitivity, specificity, warning
from quality.agreement
where day = (select max(day) from quality.agreement where day <= $last)
order by warning nulls last, verdict
