"""Is it true and safe? What people label, how often answers are wrong, and how well that is known."""
