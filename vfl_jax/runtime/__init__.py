"""Random streams, mapped axes, meshes, hosts and compiled programs.

Nothing here knows what a party is.
"""
