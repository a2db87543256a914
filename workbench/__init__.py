"""See, measure and explain what neural-network compression does."""

__version__ = "0.1.0"
