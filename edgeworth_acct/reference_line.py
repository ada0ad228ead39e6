"""Delta of a run from a vertical line, in ball arithmetic.

    delta(eps) = (1/2 pi) int G(z) e^{-z eps} / (z (1+z)) dt,   z = c + i t,   G(z) = E[e^{z (total loss)}], c > 0,

is a trapezoidal sum with bounds of what it leaves out.
  aliases     the sum of step h is sum_k e^{ckx} delta(eps + kx), x = 2 pi/h: what it has too much on either side is at
              most G(c+-d) e^{-(c+-d) eps} m(c+-d)/(e^{dx} - 1) for any d > 0 (d <= c to the left), since by Chernoff's
              inequality delta(eps) <= G(c) e^{-c eps} m(c), m(c) = c^c/(1+c)^{1+c}
  truncation  the largest |G| at heights >= T, times e^{-c eps}/(pi T)
  smoothing   one more Gaussian mechanism of mu = w gives an upper bound by Jensen's inequality, and with the kernel
              1/(z (1+z)) - (e^{w^2 (z+1)} - 1)/(z+1) a lower bound, by the tangents of the convex function delta of
              e^eps; for the tangents m grows by 1 + e^{w^2 (c+1)}, and what is cut off by as much over t
"""

import math
from itertools import pairwise

from edgeworth_acct.reference_balls import NotVerified, arb, disc, flint, log_of

_ERRORS = (3e-11, 1e-13, 1e-17)  # over delta
_LEFT, _RIGHT = (0.2, 0.4, 0.55, 0.7, 0.8, 0.9, 1.0), (0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.7, 1.2)  # d/c
_MOST_WORK, _MOST_NODES = 3e7, 1e6
_SHARES, _PATIENCE, _ROUGH = (0.1, 0.01), 2, 1e-3


class Line:
    """Delta of a run near the epsilons of an interval.

    `infinite`: probability of an infinite loss, which `parts` leave out; `tilt`: c, or 0 if it has to be found;
    `smoothing`: to begin with.  Where that does not decide, those follow that cost a small share of the interval.
    """

    def __init__(self, parts, mu2, infinite, tilt, smoothing, lower, upper):
        self._totals, self._infinite, self._sums = [Total(parts, mu2, smoothing, 1)], infinite, {}
        self._c = tilt or self._totals[0].saddle(upper)
        self._errors = sorted({*_ERRORS, max(_ERRORS[0], min(1e-6, 0.01 * (upper - lower) * self._c))}, reverse=True)
        self._rough = Total(parts, mu2, _ROUGH * upper / (self._c + 1.0), 1)
        for share in _SHARES:
            less = share * (upper - lower) / (self._c + 1.0)  # smoothing costs about w^2 (c + 1)/2 of epsilon
            if less > 0.0 and (not smoothing or less < 0.5 * smoothing):
                self._totals.append(Total(parts, mu2, less, _PATIENCE))

    def at_most(self, eps, delta):
        """Whether delta(eps) <= delta is proven."""
        return bool(self._chernoff(eps) + self._infinite <= delta) or self._compare(eps, delta) < 0

    def at_least(self, eps, delta):
        """Whether delta(eps) >= delta is proven."""
        return not self._chernoff(eps) + self._infinite < delta and self._compare(eps, delta) > 0

    def _chernoff(self, eps):
        """Upper bound of delta(eps) without nodes; at other tilts where c, which suits an epsilon far away, fails."""
        bounds = (self._totals[0].tried(c, eps, 40.0, False).upper() for c in (self._c, 1.0, 10.0, 100.0, 1000.0))
        first = next(bounds)
        return first if first.is_finite() else min(bounds)

    def _compare(self, eps, delta):
        """-1: delta(eps) <= delta is proven; 1: delta(eps) >= delta is; 0: neither."""
        refusal = None
        for total in self._totals:
            try:
                found = self._compare_smoothed(total, eps, delta, self._errors)
            except NotVerified as error:
                found, refusal = 0, refusal or error
            if found:
                return found
        if not refusal:
            return 0
        found = self._compare_smoothed(self._rough, eps, delta, (_ROUGH,))  # what is far from true is refused for that
        if not found:
            raise refusal
        return found

    def _compare_smoothed(self, total, eps, delta, errors):
        for error in errors:
            if (total, error) not in self._sums:
                self._sums[total, error] = Sum(total, self._c, eps, delta * error)
            low, high = self._sums[total, error].delta(eps)
            if high + self._infinite <= delta:
                return -1
            if low + self._infinite >= delta:
                return 1
            if high - low > 8.0 * error * delta:  # what smoothing takes, not what the nodes leave
                return 0
        return 0


class Total:
    """The generating function of a run: parts are (law, count), `mu2` of Gaussian mechanisms, `smoothing` beside it.

    `patience`: how many times the usual work may be done.
    """

    def __init__(self, parts, mu2, smoothing, patience):
        self.parts, self.mu2, self.w2, self.patience = parts, mu2 + arb(smoothing), arb(smoothing), patience
        self.count = 1 + sum(count for _, count in parts)

    def log_g(self, c, floor):
        """Log G(c)."""
        logs = (arb(count) * law.mass(c, floor).log() for law, count in self.parts)
        return sum(logs, self.mu2 * arb(c) * (arb(c) + 1) / 2)

    def chernoff(self, c, eps, floor, tangents):
        """Upper bound of delta(eps), and of the function of the tangents."""
        c_ = arb(c)
        peak = (c_ * (c_ / (1 + c_)).log() - (1 + c_).log()).exp() if c > 0.0 else arb(1)
        if tangents:
            peak += 1 + (self.w2 * (c_ + 1)).exp()
        return (self.log_g(c, floor) - c_ * arb(eps)).exp() * peak

    def tried(self, c, eps, floor, tangents):
        """`chernoff`, infinite at a tilt that needs too many nodes."""
        try:
            return self.chernoff(c, eps, floor, tangents)
        except NotVerified:
            return arb("inf")

    def saddle(self, eps):
        """About where Chernoff's bound is least."""
        low, high, ratio = math.log(1e-3), math.log(1e7), 0.5 * (math.sqrt(5.0) - 1.0)

        def bound(log_c):
            return log_of(self.tried(math.exp(log_c), eps, 40.0, False))

        while high - low > 0.05:
            left, right = high - ratio * (high - low), low + ratio * (high - low)
            low, high = (low, right) if bound(left) <= bound(right) else (left, high)
        return math.exp(0.5 * (low + high))


class Sum:
    """Nodes on the line Re z = c for an absolute error of about `error` at `eps`, and near it."""

    def __init__(self, total, c, eps, error):
        self._total, self._c, self._smooth = total, c, bool(total.w2 > 0)
        above = log_of(total.chernoff(c, eps, 40.0, self._smooth)) - math.log(error)
        self._floor = math.ceil(max(0.0, above) + math.log(total.count) + 8.0)
        self._sides = [max(0.0, c - share * c) for share in _LEFT], [c + share * c for share in _RIGHT]
        self._period = max(self._needed(eps, error, side) for side in self._sides)
        if not 0.0 < self._period < math.inf:
            raise NotVerified(f"aliases cannot be bounded at the tilt {c!r}")
        self._h = 2 * flint().arb.pi() / arb(self._period)
        self._log_g = total.log_g(c, self._floor)
        self._nodes = self._count_nodes(eps, error)
        self._far = self._beyond()
        self._values = self._along()

    @property
    def _end(self):
        return self._h * self._nodes

    def delta(self, eps):
        """Bounds of delta(eps); where it is smoothed, the lower one by tangents."""
        low, high = self._smoothed(eps, False)
        return (self._smoothed(eps, True)[0] if self._smooth else low), high

    def _smoothed(self, eps, tangents):
        """Bounds of delta(eps), smoothed; with `tangents` a lower bound without smoothing, and no upper one."""
        acb, pi, e = flint().acb, flint().arb.pi(), arb(eps)
        total = acb(0)
        for z, value in self._values:
            kernel = 1 / (z * (z + 1))
            if tangents:
                kernel -= ((self._total.w2 * (z + 1)).exp() - 1) / (z + 1)
            total += value * (-z * e).exp() * kernel
        middle = total.real * self._h / pi
        cut = self._cut(eps, tangents).upper()
        alias = sum((min(self._aliases(eps, side, tangents)) for side in self._sides), arb(0))
        return middle.lower() - cut - alias.upper(), arb(1) if tangents else middle.upper() + cut

    def _needed(self, eps, error, tilts):
        """The shortest period that keeps the aliases of one side at `error`."""
        logs = [log_of(self._bound(tilt, eps, self._smooth)) - math.log(error) for tilt in tilts]
        rises = (max(log, 0.0) + math.log1p(math.exp(-abs(log))) for log in logs)
        return min(rise / abs(tilt - self._c) for rise, tilt in zip(rises, tilts))

    def _bound(self, tilt, eps, tangents):
        return self._total.tried(tilt, eps, self._floor, tangents)

    def _aliases(self, eps, tilts, tangents):
        falls = [(abs(arb(tilt) - self._c) * self._period).expm1() for tilt in tilts]
        return [(self._bound(tilt, eps, tangents) / fall).upper() for tilt, fall in zip(tilts, falls)]

    def _beyond(self):
        """Log of the largest |G| beyond the last node, Gaussian mechanisms apart."""
        t = float(self._end.lower()) * (1.0 - 1e-15)
        logs = (count * law.far(self._c, t, self._floor).log() for law, count in self._total.parts)
        return sum(logs, self._log_g)

    def _cut(self, eps, tangents):
        """What the nodes leave out beyond the last one."""
        pi, mu2, end, c = flint().arb.pi(), self._total.mu2, self._end, arb(self._c)
        cut = (self._far - c * arb(eps) - mu2 * end**2 / 2).exp() / (pi * end)
        if tangents:
            more = 1 + (self._total.w2 * (c + 1)).exp()
            cut += (self._log_g - c * arb(eps) - mu2 * end**2 / 2).exp() * more / (pi * mu2 * end**2)
        return cut

    def _count_nodes(self, eps, error):
        """The least number of nodes, within 1/8, that leaves out no more than `error`."""
        low, high = 4, 8

        def enough(count):
            self._nodes = count
            self._far = self._beyond()
            return log_of(self._cut(eps, self._smooth)) <= math.log(error)

        while not enough(high):
            low, high = high, 2 * high
            if high > _MOST_NODES * self._total.patience:
                raise NotVerified("the line needs too many nodes for ball arithmetic")
        while high - low > max(1.0, 0.125 * low):
            middle = (low + high) // 2
            low, high = (low, middle) if enough(middle) else (middle, high)
        return high

    def _along(self):
        """(z, G(z)) at the nodes, the first one halved; blocks of heights share their quadratures."""
        acb, blocks, values, work = flint().acb, [0], [], 0
        while blocks[-1] < self._nodes + 1:
            blocks.append(min(self._nodes + 1, max(16, 2 * blocks[-1])))
        for first, last in pairwise(blocks):
            zs = [acb(self._c, self._h * j) for j in range(first, last)]
            products = [(self._total.mu2 * z * (z + 1) / 2).exp() for z in zs]
            for law, count in self._total.parts:
                factors, nodes = law.along(self._c, self._h, first, last, self._floor)
                work += nodes * len(zs)
                if work > _MOST_WORK * self._total.patience:
                    raise NotVerified("the line needs too many nodes for ball arithmetic")
                products = [product * _power(factor, count) for product, factor in zip(products, factors)]
            values += zip(zs, products)
        values[0] = values[0][0], values[0][1] / 2
        return values


def _power(base, count):
    if 0 in base:
        return disc(abs(base).upper() ** count)
    return (count * base.log()).exp()
