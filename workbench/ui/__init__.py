"""The app: state without widgets, widgets that only show it, one worker, and a page in the browser."""
