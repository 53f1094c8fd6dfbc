"""What all pages share: who is let in, where they listen, how they look."""
