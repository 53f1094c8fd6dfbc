"""HOW: one module per outside system (DuckDB, Delta, files, keys). No business rules, no wall clock."""
