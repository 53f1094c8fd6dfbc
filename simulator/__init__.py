"""Invented traffic with planted incidents and their ground truth: for the demo, tests and benchmarks.

Nothing here reads a clock, the network or real data: the same arguments give the same bytes.
"""
