"""The shapes in which tools write the same traffic: one file each, after the tool's own documentation.

A new format is a subclass of `Format`, and a line in `simulator/sources.py`.
"""
