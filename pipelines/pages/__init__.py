"""WHEN, for people who read: the pages and their report are served and written, and the docs that are made from code."""
