"""Runs sweeps on this machine, on SLURM or Ray, or prints their commands.

Nothing here imports jax, so that a login node submits in a second.
"""
