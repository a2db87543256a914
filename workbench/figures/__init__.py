"""Records to figures; pure, and without torch."""
