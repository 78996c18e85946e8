"""The split training: the cut, the protocol, epochs, and what parties saw.

No scores here: `evaluation` has them.
"""
