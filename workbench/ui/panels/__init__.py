"""The parts of the page, one file each: they show the state and set it, and meet nowhere else."""
