"""Runs of experiments, studies, audits and calibrations, and their folders.

Configs are validated here too. There are no formulas: measurements come from
`evaluation`.
"""
