"""Pages for people. They get folders, seeds and the clock as arguments; only pipelines/ knows where those come from."""
