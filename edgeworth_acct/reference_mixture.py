"""Generating function of a pair of normal mixtures along a vertical line, in ball arithmetic.

With u the outcome in standard deviations, p and q the densities over that of N(0, 1) and L = log p/q,

    M(z) = int phi(u) p(u) e^{z L(u)} du,     z = c + i t, c, t >= 0,

is a trapezoidal sum along Im u = y.  The centres of the first law are >= 0, those of the second <= 0: for 0 <= y and
y (distance of the furthest centre) < pi, arg p >= 0 >= arg q, as the terms of p lie in a sector of the upper half
plane.  So |e^{zL}| = |p/q|^c e^{-t (arg p - arg q)}: where the loss is steep it hardly counts, and few nodes serve at
any height.
  size        along Im u = y, over that on the real line: at most U(y) = e^{y^2/2} cos(y span/2)^{-c}, span that of the
              centres of q (a sum over a sector of angle w has at least cos(w/2) times the sum of sizes); for y < 0
              e^{t |y| reach} times that
  quadrature  (U(y+b) + U(y-b) e^{t (b-y)_+ reach}) M(c)/(e^{2 pi b/h} - 1)
  ends        to the right the log of a term falls by u - (1+c) max p'/p - c |q'/q| per unit or more, to the left by |u|
  decay       |M| at heights >= t is at most the integral of sizes at t.  Continued to Im u = b, the size at y becomes
              the geometric mean of those at y+b and y-b, and arg p becomes (arg p_{b+y} - arg p_{b-y})/2, which is >= 0
              for b <= y, and for (y+b) (spread of centres) <= pi/2, where arg p_x grows with x
"""

import math

import numpy as np

from edgeworth_acct.reference_balls import NotVerified, arb, around_zero, disc, flint
from edgeworth_acct.reference_sums import sums_along

_MOST = 40_000  # quadrature nodes
_SHARES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


class Mixture:
    """Normal laws `first` (weight, centre >= 0) against `second` (centre <= 0), standard deviation `sigma`."""

    def __init__(self, first, second, sigma):
        self.first, self.second = ([(w, arb(a) / arb(sigma)) for w, a in side] for side in (first, second))
        centres = [[float(a.mid()) for _, a in side] for side in (self.first, self.second)]
        self._p_max, self._q_max = max(centres[0]), -min(centres[1])
        self._reach = (self._p_max + self._q_max) * (1 + 1e-12)
        self._span = max(centres[1]) - min(centres[1]) + 1e-12 * self._q_max
        spread = max(self._span, self._p_max - min(centres[0]), 1e-3)
        self._furthest = 3.1 / max(self._p_max, self._q_max, 0.1)  # y + b
        self._monotone = min(1.57 / spread, self._furthest)
        self._places, self._masses, self._tables, self._turns = {}, {}, {}, {}

    def loss(self, u):
        """The loss at a real place."""
        u = flint().acb(u)
        return (_log_density(self.first, u) - _log_density(self.second, u)).real

    def mass(self, c, floor):
        """M(c), to a relative error of about e^-floor."""
        if (c, floor) not in self._masses:
            h, b = self._rule(c, 0.0, 0.0, floor)
            _, terms, ends = self._table(c, h, 0.0, floor)
            total, share = sum((term.real.exp() for term in terms), arb(0)), 2 * self._growth(c, b) * _fall(b, h)
            if not share < 1e-3:  # of M(c), which is at most 1.002 times the sum then
                raise NotVerified("the quadrature is too coarse for ball arithmetic")
            self._masses[c, floor] = total + around_zero((total + ends) * share * arb("1.002") + ends)
        return self._masses[c, floor]

    def along(self, c, h, first, last, floor):
        """M(c + i j h) for first <= j < last, to an error of about e^-floor M(c); and the number of nodes."""
        low, high = h * first, float((h * last).upper())
        heights = [0.5 * share * self._furthest for share in _SHARES[:-1]]
        step, b, y = max((*self._rule(c, y, high, floor), y) for y in heights)
        mass = self.mass(c, floor)
        losses, terms, error = self._table(c, step, y, floor)
        down = self._growth(c, arb(y) - b) * (arb(high) * max(0.0, b - y) * self._reach).exp()
        error += mass * (self._growth(c, arb(y) + b) + down) * _fall(b, step)
        least, kept = mass.log() - floor - 5, []
        for loss, term in zip(losses, terms):
            size = term.real - low * loss.imag
            if size > least:
                kept.append((loss, term))
            else:
                error += size.exp()
        margin = disc(error)
        return [value + margin for value in sums_along(kept, h, first, last)], len(kept)

    def far(self, c, t, floor):
        """Upper bound, at most 1, of the largest |M| at heights >= t over M(c)."""
        best, mass = arb(1), self.mass(c, floor)
        nearest = max(0, round(math.log(0.45 * self._furthest / (t * self._turn(c, floor) + 1e-300)) / math.log(1.5)))
        for k in range(max(0, nearest - 1), nearest + 4):
            losses, terms, error = self._turned(c, 0.45 * self._furthest * 1.5**-k, floor)
            total = sum(((term.real - arb(t) * loss.imag).exp() for loss, term in zip(losses, terms)), error)
            best = min(best, (total / mass).upper())
        return best

    def _turned(self, c, y, floor):
        """Nodes along Im u = y with a bound of the error of sums of sizes."""
        if (c, y, floor) not in self._tables:
            b = max(y, min(self._monotone - y, 12.0))
            h = 2 * math.pi * b / (floor + 0.5 * (self._rise(c, y + b) + self._rise(c, y - b)))
            losses, terms, error = self._table(c, h, y, floor)
            sizes = self._growth(c, arb(y) + b) * self._growth(c, arb(y) - b)
            error += 2 * self.mass(c, floor) * sizes.sqrt() * _fall(b, h)
            self._tables[c, y, floor] = losses, terms, error
        return self._tables[c, y, floor]

    def _rise(self, c, y):
        """Log U(y), about; infinite where there is none."""
        angle = 0.5 * abs(y) * self._span
        return 0.5 * y * y - (c * math.log(math.cos(angle)) if angle < 1.57 else -math.inf)

    def _growth(self, c, y):
        """U(y)."""
        return (arb(y) ** 2 / 2).exp() * (abs(arb(y)) * self._span / 2).cos() ** arb(-c)

    def _rule(self, c, y, t, floor):
        """The largest step with an error of about e^-floor up to height t along Im u = y, and its b."""
        choices = []
        for b in {y, *(x * min(self._furthest - y, 12.0) for x in _SHARES[1:])}:
            rise = max(self._rise(c, y + b), self._rise(c, y - b) + t * max(0.0, b - y) * self._reach)
            choices.append((2 * math.pi * b / (floor + 1.0 + rise), b))
        return max(choices)

    def _table(self, c, h, y, floor):
        """Losses and logs of the terms phi p e^{c L} h at the nodes, and a bound of the sizes of all beyond them."""
        acb, pi = flint().acb, flint().arb.pi()
        low, high = self._interval(c, floor)
        first, last = math.floor(low / h), math.ceil(high / h)
        if last - first > _MOST:
            raise NotVerified("the quadrature needs too many nodes for ball arithmetic")
        scale, losses, terms = (arb(h) / (2 * pi).sqrt()).log(), [], []

        def node(u):
            log_p, log_q = _log_density(self.first, u), _log_density(self.second, u)
            return log_p - log_q, scale - u * u / 2 + log_p + c * (log_p - log_q)

        for k in range(first, last + 1):
            loss, term = node(acb(k * arb(h), y))
            losses.append(loss)
            terms.append(term)
        u = last * arb(h)
        shares = [w * (a * (u - a / 2)).exp() for w, a in self.second]
        fall = sum((-a * share for (_, a), share in zip(self.second, shares)), arb(0)) / sum(shares, arb(0))
        steepest, ends = (arb(c) + 1) * (self._p_max * (1 + 1e-12)) + c * fall, arb(0)
        for place, slope in ((first * arb(h), -first * arb(h)), (u, u - steepest)):
            if not slope > 0.1:
                raise NotVerified("the tail of the quadrature cannot be bounded")
            ends += node(acb(place))[1].real.exp() / (h * slope).expm1()
        return losses, terms, ends * self._growth(c, y)

    def _interval(self, c, floor):
        """Places beyond which terms fall below about e^-floor of the largest."""
        if (c, floor) not in self._places:
            most = (1.0 + c) * self._p_max + c * self._q_max + 2.0 * math.sqrt(floor)
            if not most < 0.1 * _MOST:
                raise NotVerified("the quadrature needs too many nodes for ball arithmetic")
            u = np.arange(-2.0 * math.sqrt(floor) - 1.0, most, 0.2)
            log, _ = self._on_the_line(c, u)
            kept = u[log > np.max(log) - floor - 4.0]
            self._places[c, floor] = min(kept[0], -1.0) - 0.2, max(kept[-1], (1.0 + c) * self._p_max + 1.0) + 0.2
        return self._places[c, floor]

    def _turn(self, c, floor):
        """Mean of the slope of the loss under the tilted law, about: how fast args grow with y."""
        if c not in self._turns:
            log, slope = self._on_the_line(c, np.linspace(*self._interval(c, floor), 400))
            weight = np.exp(log - np.max(log))
            self._turns[c] = float(weight @ slope / np.sum(weight))
        return self._turns[c]

    def _on_the_line(self, c, u):
        """Logs of the integrand of M(c) at u, and slopes of the loss, in double precision, to plan with."""
        logs, slopes = [], []
        for side in (self.first, self.second):
            weights, centres = (np.array([float(x.mid()) for x in column])[:, None] for column in zip(*side))
            exponents = np.log(weights) + centres * (u - 0.5 * centres)
            top = np.max(exponents, axis=0)
            shares = np.exp(exponents - top)
            logs.append(top + np.log(np.sum(shares, axis=0)))
            slopes.append(np.sum(shares * centres, axis=0) / np.sum(shares, axis=0))
        return -0.5 * u * u + (1.0 + c) * logs[0] - c * logs[1], slopes[0] - slopes[1]


def _log_density(components, u):
    """Log of the density of normal laws (weight, centre) at u over that of the law around 0."""
    acb = flint().acb
    if len(components) == 1:
        ((weight, centre),) = components
        return acb(weight).log() + centre * (u - centre / 2)
    total = acb(0)
    for weight, centre in components:
        total += weight * (centre * (u - centre / 2)).exp() if centre != 0 else weight
    return total.log()


def _fall(b, h):
    """1/(e^{2 pi b/h} - 1), from above."""
    return 1 / arb(2 * math.pi * b / h * (1 - 1e-12)).expm1()
