"""Compact filters and architectures."""
