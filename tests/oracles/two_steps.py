"""Truth for two steps of the Poisson-subsampled Gaussian.  Kind: quadrature of a closed form, in mpmath.

delta_2(eps) = E[delta_1(eps - L)], L the loss of the first step under the first law, delta_1 of oracles/single_step.
Gauss-Legendre panels are halved until two sums agree to DIGITS digits; the rule itself, from NumPy, has 15.
"""

from itertools import pairwise

import mpmath as mp
import numpy as np

from oracles import single_step

DIGITS = 13
_RULE = list(zip(*np.polynomial.legendre.leggauss(16), strict=True))


def delta(sigma, q, eps):
    """delta(eps), eps >= 0."""
    with mp.workdps(50):
        s, rate, e = mp.mpf(sigma), mp.mpf(q), mp.mpf(eps)
        edge = -mp.log1p(-rate)
        if e >= 2 * edge:
            return mp.mpf(0)

        def loss(u):
            return -mp.log1p(rate * mp.expm1(u / s - 1 / (2 * s * s)))

        def integrand(u):
            return mp.npdf(u) * single_step.delta(s, rate, e - loss(u), "add", 18)

        # beyond this u the first loss is below eps - edge, and no second one can make up for it
        end = s * mp.log1p(mp.expm1(edge - e) / rate) + 1 / (2 * s)
        before, panels = None, 30
        while True:
            value = _panels(integrand, end - 45, end, panels)
            if before is not None and abs(value - before) <= mp.mpf(10) ** -DIGITS * abs(value):
                return value
            before, panels = value, 2 * panels


def _panels(f, low, high, count):
    """Equal panels, the last one halved towards the upper end, where f dies out."""
    last = (high - low) / count
    grid = [low + last * k for k in range(count)] + [high - last / 2**k for k in range(1, 30)] + [high]
    return sum((b - a) / 2 * w * f((a + b) / 2 + (b - a) / 2 * x) for a, b in pairwise(grid) for x, w in _RULE)


def graded(sigma, q, eps, adjacency):
    """The same for any relation, to 12 digits: panels halved towards where delta_1(eps - L) turns, from both sides."""
    with mp.workdps(34):
        s, rate, e = mp.mpf(sigma), mp.mpf(q), mp.mpf(eps)
        edge = -mp.log1p(-rate)
        if adjacency == "replace_one":
            turn = s * mp.log(single_step.replace_threshold(s, rate, e))
        else:  # eps - L is the largest loss of one step (add), or the least
            turn = s * mp.log1p(mp.expm1(edge - e if adjacency == "add" else e + edge) / rate) + 1 / (2 * s)
        low = -14 - (1 / s if adjacency == "replace_one" else 0)
        high = 14 + (0 if adjacency == "add" else 1 / s)
        middle = min(max(turn, low), high)
        up_to, on = middle - low, high - middle
        grid = [middle - up_to * k / 120 for k in range(120, 0, -1)] + [
            middle - up_to / (120 * 2**k) for k in range(1, 70)
        ]
        grid += [middle + on / (120 * 2**k) for k in range(69, 0, -1)] + [middle + on * k / 120 for k in range(1, 121)]

        def ratio(u):
            return mp.log1p(rate * mp.expm1((u - 1 / (2 * s)) / s))

        def integrand(u):
            up = ratio(u)
            loss = {"add": -up, "remove": up}.get(adjacency, up - ratio(-u))
            first_law = mp.npdf(u) * (1 if adjacency == "add" else mp.exp(up))
            return first_law * single_step.DIRECTIONS[adjacency](s, rate, e - loss)

        return sum(
            (b - a) / 2 * w * integrand((a + b) / 2 + (b - a) / 2 * x) for a, b in pairwise(grid) for x, w in _RULE
        )
