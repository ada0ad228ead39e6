"""Dominating pairs of laws, as the core takes them.

A pair (P, Q) dominates a mechanism if its hockey-stick divergence is at least the mechanism's for every pair of
neighbours and every epsilon; the composition of dominating pairs dominates the composition, adaptive choices
included (Zhu, Dong, Wang, AISTATS 2022, arXiv:2106.08567, theorem 10).
"""

import math
from dataclasses import dataclass, field, replace

import numpy as np

from edgeworth_acct._core import KIND, Composition

#: adjacency -> the directions whose largest result counts
DIRECTIONS = {
    "add_or_remove": ("remove", "add"),
    "add": ("add",),
    "remove": ("remove",),
    "replace_one": ("replace_one",),
}
#: direction -> the one with the two laws exchanged
OPPOSITE = {"add": "remove", "remove": "add", "replace_one": "replace_one"}


@dataclass(frozen=True)
class Layer:
    """One of the pairs that make up a law, with the probability `share` that it is the one.

    Parameters
    ----------
    kind : {"mixture", "atoms", "laplace"}
        "mixture": normal laws at `first` (centres >= 0) against those at `second` (centres <= 0), standard deviation
        `scale`. "atoms": losses and their probabilities in `first`, probability of an infinite loss in `scale`.
        "laplace": Laplace(0, scale) against Laplace(1, scale).
    first, second : tuple of (float, float)
        Weight and place of each component.
    scale, share : float
        See `kind`; the shares of a law add up to 1.
    """

    kind: str
    first: tuple = ()
    second: tuple = ()
    scale: float = 0.0
    share: float = 1.0


@dataclass(frozen=True)
class Law:
    """Loss law of a dominating pair: a Gaussian mechanism's, of this `mu`, or a mixture of layers with public index.

    `optimistic` is a law with smaller delta at every epsilon than the exact one, where this one is not exact itself.
    """

    mu: float = 0.0
    layers: tuple[Layer, ...] = ()
    optimistic: "Law | None" = field(default=None, compare=False)

    def shared(self, share):
        """The layers with their shares multiplied."""
        return tuple(replace(layer, share=layer.share * share) for layer in self.layers)


def mixture(direction, components, sigma):
    """Normal laws at `components` (weight, centre >= 0) against one at 0; for replacing, against the reflected ones."""
    mirrored = tuple((weight, -centre) for weight, centre in components)
    alone = ((1.0, 0.0),)
    first = alone if direction == "add" else components
    second = alone if direction == "remove" else mirrored
    return Law(layers=(Layer("mixture", first, second, sigma),))


def compose(parts, direction):
    """(pessimistic, optimistic) compositions of mechanisms with counts; the same object where all laws are exact."""
    laws = [(mechanism.law(direction), count) for mechanism, count in sorted(parts, key=_order)]
    pessimistic = _pack(laws)
    if all(law.optimistic is None for law, _ in laws):
        return pessimistic, pessimistic
    return pessimistic, _pack([(law.optimistic or law, count) for law, count in laws])


def _order(part):
    """Sorted parts add up to the same floating-point number in whatever order they came."""
    mechanism, count = part
    return type(mechanism).__name__, mechanism.sort_key, count


def _pack(laws):
    mu2 = math.fsum(count * law.mu**2 for law, count in laws)
    parts, layers, atoms = [], [], []
    for law, count in laws:
        if law.layers:
            parts.append((count, len(law.layers)))
            for layer in law.layers:
                layers.append((KIND[layer.kind], len(layer.first), len(layer.second), layer.share, layer.scale))
                atoms += layer.first
                atoms += layer.second
    return Composition(mu2, _rows(parts, 2), _rows(layers, 5), _rows(atoms, 2))


def _rows(rows, columns):
    return np.array(rows, dtype=np.float64).reshape(-1, columns)
