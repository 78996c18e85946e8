"""One experiment, many, an audit, a calibration; validation; the folder.

No formulas here: what is measured comes from `evaluation`.
"""
