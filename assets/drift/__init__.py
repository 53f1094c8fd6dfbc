"""Has the traffic, or the provider, changed? Daily profiles, their tests, and what survives them."""
