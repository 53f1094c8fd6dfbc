-- Versions that were put before a gate
select candidate, live, outcome, reason, actor, decided_at
from release.gates
where day between $first and $last and gate = 'verdict'
order by decided_at desc, candidate
