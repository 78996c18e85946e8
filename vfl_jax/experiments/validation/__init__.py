"""Checks of a config, made before anything expensive starts."""
