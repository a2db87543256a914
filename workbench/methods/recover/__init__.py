"""Recovery after compressing."""
