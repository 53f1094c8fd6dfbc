-- One row per record of a JSON Lines file whose keys are the columns of the landed contract, under their source names.
--
-- $structure is the contract's list of those names, each as text: a new column needs no change here. Of a key that
-- stands twice in one object, the first counts. Unknown keys are left out.
select record_number, unnest(json_transform(raw, $structure))
from records
