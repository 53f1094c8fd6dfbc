"""Is what is being rolled out safe to promote? Deployments, prompts, evaluations."""
