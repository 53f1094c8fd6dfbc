-- Rules of alerts, and how often they were right
select rule, severity, status, alerts, n, incidents, noise, precision, low, high
from service.alert_precision
where alerts > 0
order by precision nulls last, rule, severity
