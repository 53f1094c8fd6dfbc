-- Datasets of training, and their licences
-- The newest version of each kind: how much was left out, and who has the largest share.
select kind, version, built_at, train, dev, test, removed, users, largest_user_share, user_cap, licences
from tuning.datasets
where day <= $last
qualify row_number() over (partition by kind order by built_at desc) = 1
order by kind
