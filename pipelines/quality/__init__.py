"""WHEN, for quality: people label, a judge and a detector score."""
