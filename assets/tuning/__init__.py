"""Can a better model be had, and is it really better? Datasets, triggers, candidates, and the gates before them."""
