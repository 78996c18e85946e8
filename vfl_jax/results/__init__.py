"""The files that a run writes, and how they are read, drawn and reported.

This package holds tables, status and intervals. `answers`, `figures` and
`pages` read files only: nothing here imports jax or needs live objects of a
run.
"""
