"""From a recipe to runs: one, live, many; and the store that keeps them."""
