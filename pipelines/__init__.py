"""WHEN: the only folder that knows clocks, triggers and environments. Nothing imports it."""
