"""WHEN, for drift: golden prompts are asked."""
