"""Combinations of methods."""
