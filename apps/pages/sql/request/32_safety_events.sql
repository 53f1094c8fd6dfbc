-- title: How it was unsafe
-- show: table
-- unit: facts
-- section: How it was served
-- empty: Nothing unsafe was found in it.
-- meaning: Ways in which the answer was unsafe, as the rules found them.
select kind, safety_category as category, output_redactions
from service.safety_events
where day = $day and request_id = $request_id
order by kind;
