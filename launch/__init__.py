"""Sweeps on engines that exist: this machine, SLURM, Ray, printed commands.

Nothing here imports jax: a login node submits in a second.
"""
