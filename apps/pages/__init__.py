"""The pages of the product: panels of SQL over the published file (docs/pages.md)."""
