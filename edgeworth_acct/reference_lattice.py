"""Losses on a lattice: all outcomes of a run with their probabilities, in ball arithmetic."""

import math
from itertools import pairwise

from edgeworth_acct.reference_balls import NotVerified, arb, around_zero, flint, positive
from edgeworth_acct.reference_closed import Enclosed

_DEGREE = 200_000  # largest number of lattice points
_LEAST = 1e-60  # of probabilities


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
            total = _trimmed(total * _power(poly(row), n))
        self.chances, self.infinite = total.coeffs(), 1 - finite

    def delta(self, eps):
        """Lower and upper bound of delta(eps)."""
        out = []
        for side in (-1, 1):
            e, total = arb(eps) - side * self.loose, self.infinite
            first, end = 0, len(self.chances)
            while first < end:  # the gaps fall
                middle = (first + end) // 2
                first, end = (middle + 1, end) if e > self.origin + middle * self.spacing else (first, middle)
            for k in range(first, len(self.chances)):
                total += self.chances[k] * positive(-(e - (self.origin + k * self.spacing)).expm1())
            out.append(total.lower() if side < 0 else total.upper())
        return tuple(out)


def _power(base, n):
    """A polynomial of probabilities to the power n >= 1."""
    result = flint().arb_poly([1])
    while n:
        result = _trimmed(result * base) if n & 1 else result
        n >>= 1
        base = _trimmed(base * base) if n else base
    return result


def _trimmed(poly):
    """Coefficients that are next to nothing as balls around 0: products take long where sizes differ by too much."""
    least = arb(_LEAST)
    return flint().arb_poly([x if x > least else around_zero(abs(x)) for x in poly.coeffs()])


def spacing_of(groups):
    """A spacing of which all differences of losses are multiples, as far as doubles tell; None if there is none."""
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
                return None
    return gaps[-1] / round(gaps[-1] / spacing)
