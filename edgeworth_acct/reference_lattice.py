"""Losses on a lattice: all outcomes of a run with their probabilities, in ball arithmetic."""

import math

from edgeworth_acct.reference_balls import NotVerified, arb, around_zero, flint
from edgeworth_acct.reference_closed import Enclosed

_DEGREE = 200_000  # largest number of lattice points


class Lattice(Enclosed):
    """All total losses with their probabilities: polynomials in ball arithmetic."""

    def __init__(self, parts, spacing):
        poly = flint().arb_poly
        total, finite, self.spacing, self.origin, self.loose = poly([1]), arb(1), arb(spacing), arb(0), 0.0
        for (losses, chances, infinite), n in parts:
            finite *= (1 - infinite) ** n
            base = min(losses, key=lambda loss: float(loss.mid()))
            places = [round(float(((loss - base) / self.spacing).mid())) for loss in losses]
            if n * max(places) > _DEGREE:
                raise NotVerified("the lattice has too many points for ball arithmetic")
            row, loose = [arb(0)] * (max(places) + 1), 0.0
            for place, loss, chance in zip(places, losses, chances):
                row[place] += chance
                loose = max(loose, float(abs(loss - base - place * self.spacing).upper()))
            total = (total * poly(row) ** n).truncate(_DEGREE + 1)
            self.origin += n * base
            self.loose += n * loose
        self.chances, self.infinite = total.coeffs(), 1 - finite

    def delta(self, eps):
        """Lower and upper bound of delta(eps)."""
        out = []
        for side in (-1, 1):
            e, total = arb(eps) - side * arb(self.loose), self.infinite
            for k, chance in enumerate(self.chances):
                gap = e - (self.origin + k * self.spacing)
                if not gap > 0:
                    term = -gap.expm1()
                    total += chance * (term if gap < 0 else _hull(term))
            out.append(total.lower() if side < 0 else total.upper())
        return tuple(out)


def _hull(term):
    """A ball with max(term, 0)."""
    half = abs(term).upper() / 2
    return half + around_zero(half) if half > 0 else arb(0)


def spacing_of(groups):
    """A spacing of which all differences of losses are multiples, as far as doubles tell."""
    gaps = sorted(
        {float((loss - other).mid()) for losses in groups for loss in losses for other in losses if loss > other}
    )
    if not gaps:
        return 1.0
    spacing = gaps[0]
    for gap in gaps[1:]:
        while gap > 1e-9 * spacing:
            spacing, gap = gap, abs(math.remainder(spacing, gap))
            if spacing < 1e-7 * gaps[-1]:
                raise NotVerified("finite losses without a common lattice are beyond ball arithmetic here")
    return gaps[-1] / round(gaps[-1] / spacing)
