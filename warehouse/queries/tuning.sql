-- How many models were tried, how many went live, and what did the trainings cost?
select
    count(distinct candidate) as candidates,
    count(distinct candidate) filter (where state = 'promoted') as promoted,
    count(distinct candidate) filter (where state = 'rejected') as rejected,
    round(sum(training_seconds) filter (where state = 'trained') / 3600, 2) as training_hours,
    sum(cost_usd) filter (where state = 'trained') as cost_usd
from tuning.candidates;

-- On how many nights was there a reason to train, and what held it back?
select
    count(*) filter (where reason <> 'nothing') as nights_with_a_reason,
    count(*) filter (where fired) as began,
    count(*) filter (where held_back_by = 'cool_down') as cooling_down,
    count(*) filter (where held_back_by = 'budget') as out_of_budget,
    max(day) filter (where fired) as last_begun
from tuning.triggers;
