"""Model to numbers with units."""
