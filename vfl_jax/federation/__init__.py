"""The split training: the cut, the protocol, epochs, and what parties saw.

Nothing is scored here; see `evaluation`.
"""
