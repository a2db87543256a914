"""Names and pins of runs, kept beside them in the store; without a store, for as long as the session lasts."""

from __future__ import annotations

from ..core.label import Label
from ..core.recipe import Recipe
from .store import Store


class Labels:
    """Labels by recipe. Whoever shares the store shares them, as the runs themselves."""

    def __init__(self, store: Store | None = None) -> None:
        self._store = store
        self._own: dict[Recipe, Label] = {}

    def of(self, network: str, dataset: str) -> dict[str, Label]:
        """By the key of the recipe, of one network on one dataset."""
        if self._store is not None:
            return self._store.labels(network, dataset)
        return {r.key: x for r, x in self._own.items() if (r.network, r.dataset) == (network, dataset)}

    def put(self, recipe: Recipe, label: Label) -> None:
        """Keep the label in the place of the one before."""
        if self._store is not None:
            self._store.put_label(recipe, label)
        else:
            self._own[recipe] = label
