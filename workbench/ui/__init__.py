"""The app: state, controls, panels. The only place that knows widgets."""
