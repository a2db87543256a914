"""The only training loop, its losses and schedules."""
