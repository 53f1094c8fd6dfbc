"""WHEN, for service: alerts are raised, sent and answered, incidents written down, and the pipeline itself watched."""
