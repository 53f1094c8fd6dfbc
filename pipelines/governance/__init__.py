"""WHEN, for governance: approvals, backups, retention, upkeep and reviews."""
