"""Experiments: one file for each data set and architecture."""
