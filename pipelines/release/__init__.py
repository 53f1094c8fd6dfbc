"""WHEN, for release: prompts, evaluations, gates and replays, and what goes live."""
