"""Loss laws cut into cells: from the probabilities of each cell under both laws of a pair, a law above and one below.

Below: the cell becomes one outcome (data processing), of loss log(P/Q).  Above: with T = e^{-loss}, delta is the
P-mean of (1 - e^epsilon T...)_+, convex in T, so moving the cell to its two ends with the P-mean of T kept gives
more (J. Doroshenko et al., "Connect the dots: tighter discrete approximations of privacy loss distributions", PoPETs
2022).  Both errors are of second order.
"""

from dataclasses import dataclass

import numpy as np

from edgeworth_acct.laws import Law, Layer

_LOOSE = 4e-12  # relative error of the probabilities of a cell, and error of its losses, generously


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

    def exchanged(self):
        """The pair with its laws exchanged."""
        return Cells(-self.ends[::-1], self.q_right, self.q[::-1], self.q_left, self.p_right, self.p[::-1], self.p_left)

    def law(self):
        """The law above, with the one below as its `optimistic`."""
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
        middle = np.clip(np.log(self.p[kept] / self.q[kept]), self.ends[:-1][kept], self.ends[1:][kept]) - 4.0 * _LOOSE
        below = np.concatenate([[self.p_left], self.p[kept], [self.p_right]]) * (1.0 - _LOOSE)
        places = np.concatenate([self.ends[:1] - _LOOSE, middle, self.ends[-1:] - _LOOSE])
        return Law(
            layers=(_layer(above * (1.0 + _LOOSE), self.ends + _LOOSE, self.infinite),),
            optimistic=Law(layers=(_layer(below, places),)),
        )


def _layer(chances, losses, infinite=0.0):
    atoms = tuple((float(chance), float(loss)) for chance, loss in zip(chances, losses) if chance > 0.0)
    return Layer("atoms", atoms, scale=infinite)
