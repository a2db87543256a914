"""The vocabulary: knob, method, encoded, recipe, records, context, errors."""
