"""One step's outcomes, as fine as a lattice of losses asks for; the laws on the lattice above and below (`grid`)."""

import math
from dataclasses import dataclass

import numpy as np

from edgeworth_acct.cells import NormalPair

LOOSE = 3e-12  # relative error of a probability, absolute error of a loss, but for 16 units of its size
_NEAR = 1e-5  # so much of h counts as on the lattice
_MOST = 2**21  # lattice points at which one law is cut


@dataclass(frozen=True, eq=False)
class Outcomes:
    """Of one step: for each cell its probability, its mean of T = e^{-loss} as a loss, its least and largest loss.

    The mean comes rounded down and, `sure`, rounded up; they differ where it is not known.
    `border`: how far, over h, the cells of `below` should end from the middle between two lattice points.
    `infinite`: P(loss = inf) from below and above.
    """

    p: np.ndarray
    mean: np.ndarray
    sure: np.ndarray
    low: np.ndarray
    high: np.ndarray
    border: np.ndarray
    infinite: tuple[float, float]

    def below(self, cut):
        """The outcomes whose cells begin below the cut."""
        return self._some(self.low < cut)

    def above(self, cut):
        """The other ones."""
        return self._some(self.low >= cut)

    def _some(self, kept):
        columns = (self.p, self.mean, self.sure, self.low, self.high, self.border)
        return Outcomes(*(column[kept] for column in columns), self.infinite)

    @property
    def known(self):
        """Whether all means are."""
        return bool(np.all(self.mean == self.sure))


@dataclass(frozen=True)
class Lattice:
    """Losses start + h k, for a law that will be tilted by c, below a cut."""

    start: float
    h: float
    c: float
    cut: float


def outcomes(law, reach, lattice=None):
    """Outcomes of a law, finely enough for a lattice or roughly.

    Atoms that no pair stands behind are exact; a law's `optimistic` may differ from it in P(loss = inf) alone.
    """
    parts, infinite = [], 0.0
    for layer in law.layers:
        pair = NormalPair(layer, reach) if layer.kind == "mixture" else layer.pair
        if pair:
            cells, border = _fine(pair, lattice) if lattice else (pair.cells(pair.places[::16]), np.zeros_like)
            p, *losses = cells.outcomes
            losses.append(border(losses[0]))
            infinite += layer.share * cells.infinite
        else:
            p, loss = np.array(layer.first).reshape(-1, 2).T
            losses = [loss, loss, loss, loss, np.zeros(len(loss))]
            infinite += layer.share * layer.scale
        p = layer.share * p
        kept = p > 0.0
        infinite += np.count_nonzero(~kept) * 5e-324  # of a rare layer, too rare for a double
        parts.append([column[kept] for column in (p, *losses)])
    sure = sum(y.share * y.scale for y in (law.optimistic or law).layers if y.kind == "atoms")
    return Outcomes(*(np.concatenate(columns) for columns in zip(*parts)), (sure, infinite))


def _fine(pair, lattice):
    """Cells at the places of a pair and where the loss is a lattice point or a border of `below`, nearly; the borders.

    Where tilted probabilities are too small to matter the places alone will do.
    """
    x, start, h = pair.places, lattice.start, lattice.h
    loss, rough = pair.loss(x), pair.cells(x).outcomes
    small = rough[3] < lattice.cut
    if not small.any():
        return pair.cells(x), np.zeros_like
    rough = [column[small] for column in rough]
    matters = _matters(rough[0], rough[1], lattice.c)
    first, last = rough[3][matters].min(), rough[4][matters].max()
    step = h * max(1, math.ceil((last - first) / h / _MOST))
    k = np.arange(math.ceil((first - start) / step), math.floor((last - start) / step) + 1.0)
    border = _border(rough, h)
    middle = start + step * (k + 0.5)
    wanted = np.concatenate([start + step * k, middle + h * border(middle)])
    more = np.interp(wanted, loss, x)
    i = np.clip(np.searchsorted(x, more) - 1, 0, len(x) - 2)
    rise = loss[i + 1] - loss[i]
    for _ in range(2):  # steps of the secant
        more += (wanted - pair.loss(more)) * (x[i + 1] - x[i]) / np.where(rise > 0.0, rise, math.inf)
    return pair.cells(np.union1d(x, np.clip(more, x[0], x[-1]))), border


def _matters(p, loss, c):
    """Which outcomes a tilt by c does not make too rare."""
    exponents = np.log(p) + c * loss
    return exponents > exponents.max() - 70.0


def _border(cells, h):
    """`Outcomes.border` as a function of the loss: where cells have their mean of T on lattice points.

    With a density f of the loss that is -h ((log f)' - 1/2)/12, but for terms of third order.
    """
    p, mean, _, low, high = cells
    wide = high - low > 1e-9 * h
    place, log_f = mean[wide], np.log(p[wide] / (high - low)[wide])
    if len(place) < 2:
        return np.zeros_like
    gap = np.diff(place)
    slope = np.diff(log_f) / np.where(gap > 0.0, gap, math.inf)
    between = 0.5 * (place[1:] + place[:-1])
    return lambda loss: np.clip(-h / 12.0 * (np.interp(loss, between, slope) - 0.5), -0.25, 0.25)


def heaviest(law, c, h):
    """Where most of the tilted probability is, within h, or an atom with most of that: a lattice shall fit there."""
    exponents = np.log(law.p) + c * law.mean
    near = exponents > exponents.max() - 40.0
    places = np.floor((law.mean[near] - law.mean[near].min()) / h).astype(np.int64)
    heavy = places == np.bincount(places, np.exp(exponents[near] - exponents.max())).argmax()
    mean, p = law.mean[near][heavy], law.p[near][heavy]
    return float(mean[p.argmax()] if 2.0 * p.max() > p.sum() else np.average(mean, weights=p))


def above(law, lattice):
    """(k, p, span, off): the law above, the largest move of a loss, how far losses lie outside of their cells.

    Outcomes move to the lattice points around their cell; the mean of T stays, or falls where it is not known.
    """
    start, h = lattice.start, lattice.h
    k = np.floor((law.low - start) / h + _NEAR)
    over = np.ceil((law.high - start) / h - _NEAR)
    off = max(0.0, np.max(start + h * k - law.low), np.max(law.high - start - h * over))
    share = np.clip(np.expm1(start + h * k - law.sure) / np.expm1(-h * np.maximum(over - k, 1.0)), 0.0, 1.0)
    share[over == k] = 0.0
    span = h * float(np.max(over - k))
    k, p = np.concatenate([k, over]), np.concatenate([law.p * (1.0 - share), law.p * share])
    return *_gathered(k, p), span, off


def below(law, lattice):
    """(k, p): the law below, without what the tilt makes too rare to matter.

    Outcomes under and over a lattice point merge into it where their mean of T is there; what is left under it goes to
    the next point down, what is left over it down to it.
    """
    h, kept = lattice.h, _matters(law.p, law.mean, lattice.c)
    p, mean = law.p[kept], law.mean[kept] - lattice.start
    k = np.floor(mean / h + 0.5 - law.border[kept])
    away, bottom = mean - h * k, k.min()
    index, size = (k - bottom).astype(np.int64), int(k.max() - bottom) + 1
    under = away < 0.0
    short = np.bincount(index[under], (p * np.expm1(-away))[under], size)  # what T has too much there
    spare = np.bincount(index[~under], (p * -np.expm1(-away))[~under], size)
    lower, upper = np.bincount(index[under], p[under], size), np.bincount(index[~under], p[~under], size)
    merged = lower * np.minimum(1.0, spare / np.where(short > 0.0, short, 1.0) * (1.0 - 1e-12))
    p = np.concatenate([upper + merged, lower - merged])
    return _gathered(bottom + np.concatenate([np.arange(size), np.arange(size) - 1.0]), p)


def _gathered(k, p):
    """The same with every k once, if they lie close together, and without p = 0."""
    first = k.min()
    if k.max() - first < 4.0 * len(k):
        p = np.bincount((k - first).astype(np.int64), p)
        k = first + np.arange(len(p))
    return k[p > 0.0], p[p > 0.0]
