"""Programs that are started outside the orchestrator: they train one candidate each, and may import torch at the top."""
