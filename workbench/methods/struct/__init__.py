"""Structured matrices."""
