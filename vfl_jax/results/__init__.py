"""What a run leaves, and how it is read, drawn and reported.

Tables, status, intervals; `answers`, `figures` and `pages` read files only. No
jax here, and no live objects of a run.
"""
