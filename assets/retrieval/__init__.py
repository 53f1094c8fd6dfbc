"""Does it find what it should, and is the index fresh? Documents, chunks, vectors, releases, and what searches tell."""
