"""What happened? The ledger of files and requests."""
