"""The page where people judge answers: it reads the exported queue and writes label files (docs/labelling.md)."""
