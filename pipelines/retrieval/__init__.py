"""WHEN, for retrieval: the knowledge base is read, and its indexes are built, measured and published."""
