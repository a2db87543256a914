"""One view per file: from state to widgets, no arithmetic."""
