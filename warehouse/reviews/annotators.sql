-- Annotators whose answers differ from others'
select annotator, verdict, n_labels, n_doubled, yes_share, sensitivity, specificity
from quality.annotator_errors
where day = (select max(day) from quality.annotator_errors where day <= $last) and least(sensitivity, specificity) < 0.8
order by least(sensitivity, specificity), annotator, verdict
