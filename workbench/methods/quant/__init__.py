"""Quantization and parameter sharing."""
