"""Random streams, mapped axes, meshes, hosts and compiled programs.

Nothing here depends on parties or models.
"""
