"""Attacks beside their controls, under seal; what else is measured.

No files here: `experiments` writes what is measured.
"""
