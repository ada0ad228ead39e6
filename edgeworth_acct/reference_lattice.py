"""Losses on a lattice: all outcomes of a run with their probabilities, in ball arithmetic."""

import math
from itertools import pairwise

from edgeworth_acct.reference_balls import NotVerified, arb, flint, positive
from edgeworth_acct.reference_closed import Enclosed

_DEGREE = 200_000  # largest number of lattice points


class Lattice(Enclosed):
    """All total losses with their probabilities: polynomials in ball arithmetic."""

    def __init__(self, parts, spacing):
        poly = flint().arb_poly
        self.spacing, self.origin, self.loose, finite, rows = arb(spacing), arb(0), arb(0), arb(1), []
        for (losses, chances, infinite), n in parts:
            finite *= (1 - infinite) ** n
            base = min(losses, key=lambda loss: loss.mid())
            places = [round(float(((loss - base) / self.spacing).mid())) for loss in losses]
            row, loose = [arb(0)] * (max(places) + 1), arb(0)
            for place, loss, chance in zip(places, losses, chances):
                row[place] += chance
                loose = max(loose, abs(loss - base - place * self.spacing).upper())
            rows.append((row, n))
            self.origin += n * base
            self.loose += n * loose
        if sum(n * (len(row) - 1) for row, n in rows) > _DEGREE:
            raise NotVerified("the lattice has too many points for ball arithmetic")
        total = poly([1])
        for row, n in rows:
            total *= poly(row) ** n
        self.chances, self.infinite = total.coeffs(), 1 - finite

    def delta(self, eps):
        """Lower and upper bound of delta(eps)."""
        out = []
        for side in (-1, 1):
            e, total = arb(eps) - side * self.loose, self.infinite
            for k, chance in enumerate(self.chances):
                gap = e - (self.origin + k * self.spacing)
                if not gap > 0:
                    total += chance * positive(-gap.expm1())
            out.append(total.lower() if side < 0 else total.upper())
        return tuple(out)


def spacing_of(groups):
    """A spacing of which all differences of losses are multiples, as far as doubles tell."""
    gaps = set()
    for losses in groups:
        places = sorted(loss.mid() for loss in losses)
        gaps |= {float(loss - other) for other, loss in pairwise(places) if loss > other}
    gaps = sorted(gaps)
    if not gaps:
        return 1.0
    spacing = gaps[0]
    for gap in gaps[1:]:
        while gap > 1e-9 * spacing:
            spacing, gap = gap, abs(math.remainder(spacing, gap))
            if spacing < 1e-7 * gaps[-1]:
                raise NotVerified("finite losses without a common lattice are beyond ball arithmetic here")
    return gaps[-1] / round(gaps[-1] / spacing)
