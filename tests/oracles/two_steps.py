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


def delta(sigma, q, eps, adjacency="add"):
    """delta(eps), eps >= 0."""
    with mp.workdps(50):
        s, rate, e = mp.mpf(sigma), mp.mpf(q), mp.mpf(eps)
        if adjacency == "add":
            edge = -mp.log1p(-rate)
            if e >= 2 * edge:
                return mp.mpf(0)
            # beyond this u the first loss is below eps - edge, and no second one can make up for it
            high = s * mp.log1p(mp.expm1(edge - e) / rate) + 1 / (2 * s)
            low = high - 45
        else:
            low, high = (-1 / s if adjacency == "replace_one" else 0) - 40, 1 / s + 40

        def ratio(u, side):  # log(1 - q + q e^{(side x - 1/2)/s^2}), x = s u
            return mp.log1p(rate * mp.expm1(side * u / s - 1 / (2 * s * s)))

        def integrand(u):
            up = ratio(u, 1)
            loss = {"add": -up, "remove": up}.get(adjacency, up - ratio(u, -1))
            first_law = mp.npdf(u) * (1 if adjacency == "add" else mp.exp(up))
            return first_law * single_step.delta(s, rate, e - loss, adjacency, 18)

        before, panels = None, 30
        while True:
            value = _panels(integrand, low, high, panels)
            if before is not None and abs(value - before) <= mp.mpf(10) ** -DIGITS * abs(value):
                return value
            before, panels = value, 2 * panels


def _panels(f, low, high, count):
    """Equal panels, the last one halved towards the upper end, where f dies out."""
    last = (high - low) / count
    grid = [low + last * k for k in range(count)] + [high - last / 2**k for k in range(1, 30)] + [high]
    return sum((b - a) / 2 * w * f((a + b) / 2 + (b - a) / 2 * x) for a, b in pairwise(grid) for x, w in _RULE)
