"""Modules that a compressed network may contain, and how channels hang together."""
