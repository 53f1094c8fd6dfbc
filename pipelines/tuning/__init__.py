"""WHEN, for tuning: datasets are made, candidates trained, measured, gated and registered."""
