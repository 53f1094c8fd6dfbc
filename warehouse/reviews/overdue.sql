-- Tasks of earlier reviews that are overdue
select review, section, task, owner, due_on, findings
from governance.reviews_now
where state = 'open' and due_on <= $last
order by due_on, review, section
