"""Loss laws cut into cells: from the probabilities of each cell under both laws of a pair, a law above and one below.

Below: the cell becomes one outcome (data processing), of loss log(P/Q).  Above: with T = e^{-loss}, delta is the
P-mean of (1 - e^epsilon T...)_+, convex in T, so moving the cell to its two ends with the P-mean of T kept gives
more (J. Doroshenko et al., "Connect the dots: tighter discrete approximations of privacy loss distributions", PoPETs
2022).  Both errors are of second order.
"""

import math
from dataclasses import dataclass

import numpy as np

from edgeworth_acct.laws import Law, Layer

_LOOSE = 4e-12  # relative error of the probabilities of a cell, and error of its losses, generously
_RARE = 1e-270
_FAR = 38.0  # standard deviations: a density of 1e-314


@dataclass(frozen=True, eq=False)
class Cells:
    """A pair of laws over cells between the losses `ends`, which increase, and outside of them.

    Parameters
    ----------
    ends : ndarray
        Losses at the ends of the cells.
    p_left, q_left, p_right, q_right : float
        Probabilities of the outcomes whose loss is exactly the first (last) of `ends`.
    p, q : ndarray
        Probabilities of the cells under the first and the second law.
    infinite : float
        What the first law may have at losses beyond the last end.
    """

    ends: np.ndarray
    p_left: float
    p: np.ndarray
    p_right: float
    q_left: float
    q: np.ndarray
    q_right: float
    infinite: float = 0.0

    @property
    def outcomes(self):
        """Probability under the first law, mean of T as a loss, least and largest loss of each cell and each end.

        The mean comes twice, rounded down and up: to the ends of the cell where the second law is too rare for its
        probability to be good.
        """
        p = np.concatenate([[self.p_left], self.p, [self.p_right]])
        q = np.concatenate([[self.q_left], self.q, [self.q_right]])
        low, high = self.ends[[0, *range(len(self.p)), -1]], self.ends[[0, *range(1, len(self.p) + 1), -1]]
        high = np.maximum.accumulate(high)  # rounding may put neighbours the wrong way round
        low = np.minimum(low, high)
        some, good = p > 0.0, (p > 0.0) & (q > _RARE)
        mean = np.clip(np.log(np.where(good, p, 1.0)) - np.log(np.where(good, q, 1.0)), low, high)
        return p[some], np.where(good, mean, low)[some], np.where(good, mean, high)[some], low[some], high[some]

    def law(self, pair=None):
        """The law above, with the one below as its `optimistic`; `pair` is what was cut."""
        t = np.exp(-(self.ends - self.ends[0]))  # over the largest T
        scaled = self.q * np.exp(np.clip(self.ends[0], -700.0, 700.0))
        rise = t[:-1] - t[1:]
        up = np.where(rise > 0.0, (self.p * t[:-1] - scaled) / np.where(rise > 0.0, rise, 1.0), self.p)
        slack = _LOOSE * self.p * (1.0 + t[:-1] / np.where(rise > 0.0, rise, 1.0))
        up = np.minimum(np.maximum(up + slack, 0.0), self.p)
        above = np.concatenate([[self.p_left], np.zeros(len(self.p))])
        above[:-1] += self.p - up
        above[1:] += up
        above[-1] += self.p_right
        kept = (self.p > 0.0) & (self.q > 0.0)
        middle = (
            np.clip(np.log(self.p[kept]) - np.log(self.q[kept]), self.ends[:-1][kept], self.ends[1:][kept])
            - 4.0 * _LOOSE
        )
        below = np.concatenate([[self.p_left], self.p[kept], [self.p_right]]) * (1.0 - _LOOSE)
        places = np.concatenate([self.ends[:1] - _LOOSE, middle, self.ends[-1:] - _LOOSE])
        return Law(
            layers=(_layer(above * (1.0 + _LOOSE), self.ends + _LOOSE, pair, self.infinite),),
            optimistic=Law(layers=(_layer(below, places, pair),)),
        )


def _layer(chances, losses, pair, infinite=0.0):
    atoms = tuple((float(chance), float(loss)) for chance, loss in zip(chances, losses) if chance > 0.0)
    return Layer("atoms", atoms, scale=infinite, pair=pair)


def between(x, centre):
    """Probabilities of N(centre, 1) between neighbouring x, at most 0.0014 apart: relative error below 6e-13.

    The integral of the density over a cell by its Taylor series around the middle z.  Sixth and higher terms are less
    than ((|z| + 4) width)^6/322560 of it, 2e-13 where |z| <= 38; the exponential is off by 2 z^2 units of roundoff.
    """
    width, z = np.diff(x), 0.5 * (x[:-1] + x[1:]) - centre
    z2, w2 = np.where(np.abs(z) < _FAR, z * z, 1e5), width * width  # farther away nothing is left
    series = 1.0 + w2 * ((z2 - 1.0) / 24.0 + w2 * ((z2 - 6.0) * z2 + 3.0) / 1920.0)
    return np.exp(-0.5 * z2) * (width / math.sqrt(2.0 * math.pi)) * series


def apart(low, high):
    """Places between `low` and `high` as `between` wants them; every sixteenth are some, too, with both ends."""
    return np.linspace(low, high, 16 * math.ceil((high - low) / (16 * 0.0014)) + 1)


class NormalPair:
    """The outcomes of a layer of normal laws, to `reach` standard deviations around those of the first law."""

    def __init__(self, layer, reach):
        self.first, self.second = ([(w, at / layer.scale) for w, at in part] for part in (layer.first, layer.second))
        centres = [at for _, at in self.first]
        self.places = apart(min(centres) - reach, max(centres) + reach)
        self.lost = sum(w for w, _ in self.first) * math.erfc(reach * math.sqrt(0.5))

    def loss(self, x):
        """Losses, which grow with x."""
        return _log_density(self.first, x) - _log_density(self.second, x)

    def cells(self, x):
        """Cells between the places x, which contain `places`."""
        p, q = (sum(w * between(x, at) for w, at in part) for part in (self.first, self.second))
        return Cells(self.loss(x), 0.0, p, 0.0, 0.0, q, 0.0, self.lost)


def _log_density(components, u):
    """Log of the mixture's density over that of the standard normal law at u, to units of its largest term."""
    return np.logaddexp.reduce([math.log(w) + at * (u - 0.5 * at) for w, at in components])
