"""Can we prove all this? Audit trail and freshness."""
