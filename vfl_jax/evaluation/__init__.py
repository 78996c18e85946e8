"""Attacks and their controls, with sealed labels, and other measurements.

Nothing is written to files here; `experiments` writes the results.
"""
