"""Truth for q = 1: the Gaussian mechanism.  Kind: closed form, evaluated with mpmath.

n steps of noise multiplier sigma are one Gaussian mechanism with mu = sqrt(n) d / sigma, d = 1 (d = 2 for replace_one):

    delta(eps) = Phi(mu/2 - eps/mu) - e^eps Phi(-mu/2 - eps/mu)

(B. Balle and Y.-X. Wang, "Improving the Gaussian mechanism for differential privacy", ICML 2018, theorem 8).
Both directions of add/remove give the same value.  Arguments are read exactly: a double is the double it is.
"""

import mpmath as mp

DIGITS = 60


def mu(sigma, steps, adjacency="add_or_remove"):
    """Signal to noise ratio of the composed mechanism."""
    sensitivity = 2 if adjacency == "replace_one" else 1
    return sensitivity * mp.sqrt(mp.mpf(steps)) / mp.mpf(sigma)


def tail(x):
    """P(N(0, 1) > x) with full relative accuracy."""
    return mp.erfc(x / mp.sqrt(2)) / 2


def _delta(m, eps):
    # The two terms differ by a factor 1 + O(m/eps + m): the extra digits of the callers cover it.
    return tail(eps / m - m / 2) - mp.exp(eps) * tail(eps / m + m / 2)


def delta(sigma, steps, eps, adjacency="add_or_remove", digits=DIGITS):
    """delta(eps) to `digits` digits, any real eps."""
    with mp.workdps(2 * digits + 40):
        return +_delta(mu(sigma, steps, adjacency), mp.mpf(eps))


def epsilon(sigma, steps, target, adjacency="add_or_remove", digits=DIGITS):
    """The eps >= 0 with delta(eps) = target to `digits` digits; exactly 0 where delta(0) <= target."""
    with mp.workdps(2 * digits + 40):
        m, target = mu(sigma, steps, adjacency), mp.mpf(target)
        if _delta(m, mp.mpf(0)) <= target:
            return mp.mpf(0)
        # delta(eps) <= P(N > eps/m - m/2), so this upper end is safe; delta is decreasing.
        low, high = mp.mpf(0), m * (m / 2 + 2 + mp.sqrt(2 * mp.log(1 / target)))
        eps, goal = high / 2, mp.mpf(10) ** -(digits + 5)
        while high - low > goal * high:
            gap = mp.log(_delta(m, eps) / target)
            low, high = (eps, high) if gap > 0 else (low, eps)
            slope = mp.exp(eps) * tail(eps / m + m / 2) / _delta(m, eps)  # -d log delta / d eps
            eps += gap / slope
            if not low < eps < high:
                eps = (low + high) / 2
            elif abs(gap / slope) < goal * eps:
                return eps
        return eps
