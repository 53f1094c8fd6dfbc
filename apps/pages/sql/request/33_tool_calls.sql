-- title: Tool calls
-- show: table
-- unit: facts
-- section: How it was served
-- empty: The model called no tool.
-- meaning: Tools that the model asked for, whether they were let through, and how they went. Arguments are not shown.
select
    ts as moment,
    tool_name as tool,
    side_effect,
    tool_decision as decision,
    tool_status as status,
    error_class as error,
    latency_ms
from logs.tool_calls
where day = $day and request_id = $request_id
order by ts, tool_name;
