"""Truth for one step of the Poisson-subsampled Gaussian, q < 1.  Kind: closed form, evaluated with mpmath.

The loss is monotone in the noised sum x, so {loss > eps} is a half line and
delta(eps) = P(loss > eps) - e^eps Q(loss > eps) is a combination of normal tails.  With s = sigma, c = 1 - q:

    remove       first law c N(0,s^2) + q N(1,s^2), second N(0,s^2);         x > t,  c + q e^{(t-1/2)/s^2} = e^eps
    add          the two exchanged;                                          x < t,  c + q e^{(t-1/2)/s^2} = e^-eps
    replace_one  c N(0,s^2) + q N(1,s^2) against c N(0,s^2) + q N(-1,s^2);  x > t,  b y^2 + c (1-e^eps) y - e^eps b = 0
                 where y = e^{t/s^2} and b = q e^{-1/(2 s^2)}

The distances add_or_remove is the larger of the first two.
"""

import mpmath as mp

DIGITS = 60


def _tail(x):
    return mp.erfc(x / mp.sqrt(2)) / 2


def _remove(s, q, eps):
    c = 1 - q
    if mp.exp(eps) <= c:
        return -mp.expm1(eps)
    t = mp.mpf(1) / 2 + s * s * mp.log((mp.expm1(eps) + q) / q)
    return q * _tail((t - 1) / s) + (c - mp.exp(eps)) * _tail(t / s)


def _add(s, q, eps):
    c = 1 - q
    if mp.exp(-eps) <= c:
        return mp.mpf(0)
    t = mp.mpf(1) / 2 + s * s * mp.log((mp.expm1(-eps) + q) / q)
    return (1 - mp.exp(eps) * c) * _tail(-t / s) - mp.exp(eps) * q * _tail((1 - t) / s)


def _replace_one(s, q, eps):
    c, e = 1 - q, mp.exp(eps)
    t = s * s * mp.log(replace_threshold(s, q, eps))
    return c * (1 - e) * _tail(t / s) + q * (_tail((t - 1) / s) - e * _tail((t + 1) / s))


def replace_threshold(s, q, eps):
    """e^{x/s^2} at the x where the loss of replace_one is eps, in the working precision."""
    e, b = mp.exp(eps), q * mp.exp(-1 / (2 * s * s))
    half = (1 - q) * (e - 1) / 2
    root = mp.sqrt(half * half + e * b * b)
    return (half + root) / b if half >= 0 else e * b / (root - half)


DIRECTIONS = {"remove": _remove, "add": _add, "replace_one": _replace_one}


def delta(sigma, q, eps, adjacency="add_or_remove", digits=DIGITS):
    """delta(eps) of one step to `digits` digits (the working precision grows until two evaluations agree)."""
    if adjacency == "add_or_remove":
        return max(delta(sigma, q, eps, way, digits) for way in ("add", "remove"))
    before, dps = None, 3 * digits
    while True:
        with mp.workdps(dps):
            s, rate, e = mp.mpf(sigma), mp.mpf(q), mp.mpf(eps)
            value = DIRECTIONS[adjacency](s, rate, e)
            if before is not None and abs(value - before) <= mp.mpf(10) ** -digits * abs(value):
                return value
            if before == 0 and value == 0:
                return value
        before, dps = value, 2 * dps


def epsilon(sigma, q, target, adjacency="add_or_remove", digits=30):
    """The eps >= 0 with delta(eps) = target, by a secant rule on log delta; exactly 0 where delta(0) <= target."""
    with mp.workdps(digits + 20):
        target = mp.mpf(target)

        def gap(eps):
            value = delta(sigma, q, eps, adjacency, digits + 10)
            return mp.log(value / target) if value > 0 else -mp.inf

        low, high = mp.mpf(0), mp.mpf(1)
        gap_low = gap(low)
        if gap_low <= 0:
            return mp.mpf(0)
        while (gap_high := gap(high)) > 0:
            low, gap_low, high = high, gap_high, 2 * high
        while high - low > mp.mpf(10) ** -digits * high:
            guess = (low + high) / 2
            if mp.isfinite(gap_high):  # Illinois: a secant step whose stale end is halved
                guess = low + (high - low) * gap_low / (gap_low - gap_high)
                if not low < guess < high:
                    guess = (low + high) / 2
            value = gap(guess)
            if value == 0:
                return guess
            if value > 0:
                low, gap_low, gap_high = guess, value, gap_high / 2
            else:
                high, gap_high, gap_low = guess, value, gap_low / 2
        return (low + high) / 2
