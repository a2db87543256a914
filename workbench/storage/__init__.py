"""The bytes: support x values x entropy coder, the artifact file, the reader. No torch here."""
