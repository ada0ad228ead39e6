"""Dominating pairs of laws, as the core takes them.

A pair (P, Q) dominates a mechanism if its hockey-stick divergence is at least the mechanism's for every pair of
neighbours and every epsilon; the composition of dominating pairs dominates the composition, adaptive choices
included (Zhu, Dong, Wang, AISTATS 2022, arXiv:2106.08567, theorem 10).
"""

import math
from itertools import combinations
from typing import NamedTuple

import numpy as np

from edgeworth_acct._core import KIND, Composition

_OUTCOMES = 200_000  # of runs that are enumerated

#: adjacency -> the directions whose largest result counts
DIRECTIONS = {
    "add_or_remove": ("remove", "add"),
    "add": ("add",),
    "remove": ("remove",),
    "replace_one": ("replace_one",),
}
#: direction -> the one with the two laws exchanged
OPPOSITE = {"add": "remove", "remove": "add", "replace_one": "replace_one"}


class Layer(NamedTuple):
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
    pair : object, optional
        The pair that the layer stands for where its atoms were made of cells, as `cells.NormalPair` is one: `places`,
        and of finer places x the losses ``loss(x)``, which grow, and ``cells(x)``.
    """

    kind: str
    first: tuple = ()
    second: tuple = ()
    scale: float = 0.0
    share: float = 1.0
    pair: object = None


class Law(NamedTuple):
    """Loss law of a dominating pair: a Gaussian mechanism's, of this `mu`, or a mixture of layers with public index.

    `optimistic` is a law with smaller delta at every epsilon than the exact one, where this one is not exact itself.
    """

    mu: float = 0.0
    layers: tuple[Layer, ...] = ()
    optimistic: "Law | None" = None

    @property
    def infinite(self):
        """Whether an infinite loss has a probability."""
        return any(layer.kind == "atoms" and layer.scale > 0.0 for layer in self.layers)

    def shared(self, share):
        """The layers with their shares multiplied."""
        return tuple(layer._replace(share=layer.share * share) for layer in self.layers)


def mixture(direction, components, sigma):
    """Normal laws at `components` (weight, centre >= 0) against one at 0; for replacing, against the reflected ones."""
    mirrored = tuple((weight, -centre) for weight, centre in components)
    alone = ((1.0, 0.0),)
    first = alone if direction == "add" else components
    second = alone if direction == "remove" else mirrored
    return Law(layers=(Layer("mixture", first, second, sigma),))


def compose(laws):
    """(pessimistic, optimistic) compositions of laws with counts; the same object where all laws are exact."""
    if _finite(laws) and not lattice_of(laws)[0]:
        laws = _enumerated(laws) or laws
    pessimistic = _pack(laws)
    if all(law.optimistic is None for law, _ in laws):
        return pessimistic, pessimistic
    return pessimistic, _pack([(law.optimistic or law, count) for law, count in laws])


def order(part):
    """Sorted parts add up to the same floating-point number in whatever order they came."""
    mechanism, count = part
    return type(mechanism).__name__, mechanism.sort_key, count


def _pack(laws):
    mu2 = math.fsum(count * law.mu**2 for law, count in laws if law.mu)
    parts, layers, atoms = [], [], []
    for law, count in laws:
        if law.layers:
            parts.append((count, len(law.layers)))
            for layer in law.layers:
                layers.append((KIND[layer.kind], len(layer.first), len(layer.second), layer.share, layer.scale))
                atoms += layer.first
                atoms += layer.second
    grid = lattice_of(laws) if _finite(laws) else (0.0, 0.0, 0.0)
    return Composition(mu2, parts, layers, atoms, *grid)


def _finite(laws):
    """Whether every loss takes finitely many values."""
    return bool(laws) and all(law.layers and all(layer.kind == "atoms" for layer in law.layers) for law, _ in laws)


def _enumerated(laws):
    """One law of all total losses, above and below, where there are few enough; else None."""
    counts = [math.comb(count + len(law.layers[0].first) - 1, count) for law, count in laws]
    if any(len(law.layers) > 1 or law.optimistic for law, _ in laws) or math.prod(counts) > _OUTCOMES:
        return None
    log_p, losses, log_finite, loose, size = np.zeros(1), np.zeros(1), 0.0, 0.0, 0.0
    for law, count in laws:
        chance, loss = np.array(law.layers[0].first).T
        # all ways to share `count` among the atoms: bars between stars
        bars = np.array(list(combinations(range(count + len(loss) - 1), len(loss) - 1))).reshape(-1, len(loss) - 1)
        edges = np.column_stack([np.full(len(bars), -1), bars, np.full(len(bars), count + len(loss) - 1)])
        share = np.diff(edges, axis=1) - 1
        factorial = np.array([math.lgamma(k + 1) for k in range(count + 1)])
        log_p = np.add.outer(log_p, factorial[count] - factorial[share].sum(axis=1) + share @ np.log(chance)).ravel()
        losses = np.add.outer(losses, share @ loss).ravel()
        log_finite += count * math.log1p(-law.layers[0].scale)
        loose += 4e-16 * count * (1.0 + np.max(np.abs(loss)))
        size += 3.0 * factorial[count] + np.max(share @ np.abs(np.log(chance)))
    off = 1e-15 * (10.0 + size)  # of the logarithms and what they were made of

    def law(shift):
        atoms = tuple(zip(np.exp(log_p + shift * off).tolist(), (losses + shift * loose).tolist()))
        return Law(layers=(Layer("atoms", atoms, scale=-math.expm1(log_finite)),))

    return [(law(1.0)._replace(optimistic=law(-1.0)), 1)]


def lattice_of(laws):
    """(spacing, origin, how far rounding may take a loss off it) of a lattice of total losses; spacing 0: none."""
    losses = [np.unique([loss for layer in law.layers for _, loss in layer.first]) for law, _ in laws]
    gaps = np.unique(np.concatenate([np.diff(values) for values in losses]))
    if not gaps.size:
        return 0.0, 0.0, 0.0
    spacing = gaps[0]
    for gap in gaps[1:]:  # Euclid's algorithm on reals
        while gap > 1e-9 * spacing:
            spacing, gap = gap, math.remainder(spacing, gap)
            gap = abs(gap)
            if spacing < 1e-7 * gaps[-1]:
                return 0.0, 0.0, 0.0
    steps = sum(count * round((values[-1] - values[0]) / spacing) for (_, count), values in zip(laws, losses))
    spacing = sum(count * (values[-1] - values[0]) for (_, count), values in zip(laws, losses)) / steps
    origin = math.fsum(count * values[0] for (_, count), values in zip(laws, losses))
    loose = 0.0
    for (_, count), values in zip(laws, losses):
        off = values - values[0] - spacing * np.round((values - values[0]) / spacing)
        loose += count * (np.max(np.abs(off)) + 4e-16 * np.max(np.abs(values)))
    return (spacing, origin, loose) if loose < 1e-9 * spacing else (0.0, 0.0, 0.0)
