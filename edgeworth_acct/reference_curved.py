"""Laws with atoms and with densities on intervals, along a vertical line, in ball arithmetic.

One piece of such a law (of a sampled Laplace mechanism, or of replacing in a batch drawn without replacement) is

    M(z) = int_0^x1 w(x) r(x)^f e^{s z L(x)} dx,    w = e^{v - l x - g x^2/2},    L = log r - base,
    r = 1-q + q e^{k x - shift},

s = 1 or -1.  The path goes from 0 up to iY, along to x1 + iY and down to x1 (where x1 is infinite it stays up; for
s = -1 it is reflected: conj M(conj z) of s = 1).  For a = k Im x in [0, pi/2], 0 <= arg r <= a and |r| grows with Re x:
|e^{zL}| = |e^L|^c e^{-t arg r}, and few nodes serve at any height t.
  cells       [0, y], [y, 2.5 y], [2.5 y, 2.5^2 y] .. upwards, of length Y at most along
  quadrature  Gauss's rule with N nodes on a cell of half width d.  If |f| <= m in the ellipse with foci at the cell's
              ends and half axes (rho +- 1/rho)/2 d, the coefficients of its Chebyshev series are at most 2 m rho^-k;
              the rule is exact below degree 2N and its weights are > 0: error <= 8 m d rho^{-2N}/(1 - 1/rho)
  ellipses    for |a| < pi: |arg r| <= |a|, and |r| is between cos(a/2) and 1 times its value at Re x (its terms lie in
              a sector of angle a); none gets above 2Y, only that of [0, y] below the real line
  tail        beyond x1, with 0 <= (log |r|)' <= k: |f(x1 + iY)|/(l + g x1 - (f + c) k), without c if s < 0
"""

import math
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise

from edgeworth_acct.reference_balls import NotVerified, arb, around_zero, disc, flint
from edgeworth_acct.reference_sums import sums_along

_RHO = 4
_LONG, _WIDE = 0.5 * (_RHO + 1 / _RHO), 0.5 * (_RHO - 1 / _RHO)
_MOST = 3000  # cells
_PARTS = 4  # of a cell, where sizes are bounded
_UP = 1 + 1e-12


@dataclass(eq=False)
class Piece:
    """One piece, in the letters above; `end` is x1, None for infinity.  All but the first two and `end` are balls."""

    sign: int
    f: int
    q: object
    k: object
    shift: object
    base: object
    v: object
    l: object
    g: int
    end: float | None
    known: dict = field(default_factory=dict)

    def path(self, c, t, floor):
        """Cells (from, to) that serve up to height t, and a bound of what lies beyond the last."""
        steep = float(self.k.upper()) * _UP
        y = min(1.1, math.sqrt(24.0 / max(c, 1.0))) / steep
        y = min(y, 1.2)
        end = self.end or (self.f + max(0.0, self.sign * c)) * steep + 2.0 * math.sqrt(floor) + 2.0
        count = math.ceil(end / y)
        if count > _MOST:
            raise NotVerified("the path needs too many cells for ball arithmetic")
        grades = max(1, math.ceil(math.log(y * t * steep + 1e-9, 2.5)))
        up = [0.0] + [y / 2.5**i for i in range(grades, 0, -1)] + [y]
        path = [complex(0.0, height) for height in up] + [complex(end * i / count, y) for i in range(1, count + 1)]
        if self.end:
            return list(pairwise(path + [complex(end, height) for height in up[-2::-1]])), arb(0)
        growth = self.f * self.k + (self.k * c if self.sign > 0 else 0)
        end = path[-1].real  # rounded
        tail = self._at(flint().acb(end, y), c)[1].real.exp() / (self.l + self.g * arb(end) - growth)
        return list(pairwise(path)), tail if tail >= 0 else arb("inf")

    def error(self, cell, c, t, count):
        """Bound of the error of Gauss's rule with `count` nodes on a cell, at heights up to t."""
        middle, half = _middle(cell)
        upright = cell[0].real == cell[1].real
        across, up, d = (_WIDE, _LONG, half.imag) if upright else (_LONG, _WIDE, half.real)
        d = abs(d).upper()
        height, dip = middle.imag + up * d, up * d - middle.imag
        most = self._most(flint().acb(middle.real), around_zero(across * d), c) + self.g * height**2 / 2
        if self.sign < 0:
            most -= c * (self.k * height / 2).cos().log()
        if dip > 0:
            most += t * self.k * dip
        return 8 * most.exp() * d * arb(_RHO) ** (-2 * count) / (1 - 1 / arb(_RHO))

    def size(self, cell, c, t):
        """Upper bound of the integral of sizes along a cell, at heights >= t."""
        total = arb(0)
        for part in pairwise([*(cell[0] + (cell[1] - cell[0]) * (i / _PARTS) for i in range(_PARTS)), cell[1]]):
            middle, half = _middle(part)
            away = half * around_zero(1)
            turn = (self._at(middle, c)[0].imag + (self._steep(middle + away) * away).imag).lower()
            decay = t * turn if turn > 0 else arb(0)
            total += 2 * abs(half) * (self._most(middle, away, c) - decay).exp()
        return total.upper()

    def nodes(self, cell, c, count):
        """(loss, log of the term for z = c) at the nodes of a cell; the loss so that its imaginary part is >= 0."""
        if (cell, c, count) not in self.known:
            middle, half = _middle(cell)
            at = ((self._at(middle + half * place, c), share) for place, share in _gauss(count))
            self.known[cell, c, count] = [(loss, log + (half * share).log()) for (loss, log), share in at]
        return self.known[cell, c, count]

    def _ratio(self, x):
        return 1 - self.q + self.q * (self.k * x - self.shift).exp()

    def _steep(self, x):
        """L'."""
        return self.k * (1 - (1 - self.q) / self._ratio(x))

    def _at(self, x, c):
        """L and log of the integrand for z = c."""
        log_r = self._ratio(x).log()
        loss = log_r - self.base
        return loss, self.v - self.l * x - self.g * x * x / 2 + self.f * log_r + (self.sign * c) * loss

    def _most(self, x, away, c):
        """Upper bound of the log of the size for z = c in x + away, by the mean value theorem."""
        slope = -self.l - self.g * (x + away) + (self.f + self.sign * c) * self._steep(x + away)
        return (self._at(x, c)[1].real + (slope * away).real).upper()


class Curved:
    """A law of atoms (loss, chance) and pieces; `once`: its delta at epsilon >= 0."""

    def __init__(self, atoms, pieces, once):
        self._atoms, self._pieces, self.once, self._masses = atoms, pieces, once, {}

    def mass(self, c, floor):
        """M(c), to a relative error of about e^-floor."""
        if (c, floor) not in self._masses:
            ((value,), _) = self._sums(c, arb(0), 0, 1, floor, -math.inf)
            self._masses[c, floor] = value.real
        return self._masses[c, floor]

    def along(self, c, h, first, last, floor):
        """M(c + i j h) for first <= j < last, to an error of about e^-floor M(c); and the number of nodes."""
        return self._sums(c, h, first, last, floor, self.mass(c, floor).log() - floor - 10)

    def far(self, c, t, floor):
        """Upper bound, at most 1, of the largest |M| at heights >= t over M(c)."""
        total = sum((chance * (arb(c) * loss).exp() for loss, chance in self._atoms), arb(0))
        for piece in self._pieces:
            cells, tail = piece.path(c, t, floor)
            total = sum((piece.size(cell, c, t) for cell in cells), total + tail)
        share = (total / self.mass(c, floor)).upper()
        return share if share < 1 else arb(1)

    def _sums(self, c, h, first, last, floor, least):
        """See `along`; cells of a smaller size than e^least are left out."""
        low, high = (h * first).lower(), (h * last).upper()
        count, sides, error = math.ceil((floor + 20.0) / (2.0 * math.log(_RHO))), {1: [], -1: []}, arb(0)
        for piece in self._pieces:
            cells, tail = piece.path(c, float(high), floor)
            error += tail
            for cell in cells:
                size = piece.size(cell, c, low)
                if size.log() < least:
                    error += size
                else:
                    error += piece.error(cell, c, high, count)
                    sides[piece.sign] += piece.nodes(cell, c, count)
        atoms = [(loss, chance.log() + arb(c) * loss) for loss, chance in self._atoms]
        values = sums_along([*atoms, *sides[1]], h, first, last)
        if sides[-1]:
            values = [value + other.conjugate() for value, other in zip(values, sums_along(sides[-1], h, first, last))]
        margin = disc(error)
        return [value + margin for value in values], len(atoms) + len(sides[1]) + len(sides[-1])


def _middle(cell):
    """Middle and half of a cell."""
    a, b = (flint().acb(end.real, end.imag) for end in cell)
    return (a + b) / 2, (b - a) / 2


@cache
def _gauss(count):
    """Nodes and weights of Gauss's rule."""
    return [flint().arb.legendre_p_root(count, i, weight=True) for i in range(count)]
