"""Cumulants of one step's loss under the tilted law.  Kind: same definition with more digits (mpmath).

Raw moments E[e^{c Y} Y^k], by the trapezoidal rule in x, turned into cumulants by the power series of the logarithm:
nothing is centred, nothing avoids cancellation; the working precision grows, and the step is halved, until 60 digits
stand still.
"""

import mpmath as mp

DIGITS = 60


def _log_density_and_loss(sigma, q, adjacency):
    """x -> (log of the first law's density times sigma sqrt(2 pi), privacy loss)."""

    def log_v(x):
        return mp.log1p(q * mp.expm1((x - mp.mpf(1) / 2) / sigma**2))

    def remove(x):
        loss = log_v(x)
        return loss - x**2 / (2 * sigma**2), loss

    def add(x):
        return -(x**2) / (2 * sigma**2), -log_v(x)

    def replace_one(x):
        up = log_v(x)
        return up - x**2 / (2 * sigma**2), up - log_v(-x)

    return {"remove": remove, "add": add, "replace_one": replace_one}[adjacency]


def _attempt(sigma, q, adjacency, tilt, order, digits, halve):
    with mp.workdps(digits):
        sigma, q, tilt = mp.mpf(sigma), mp.mpf(q), mp.mpf(tilt)
        law = _log_density_and_loss(sigma, q, adjacency)
        floor = -digits * mp.log(10)

        def terms(x):
            level, loss = law(x)
            return level + tilt * loss, loss

        # steps of x: fine enough for the Gaussian and for the branch points of the loss, at distance pi sigma^2
        room = min(mp.pi * sigma**2 * mp.mpf("0.9"), 12 * sigma)
        h = 2 * mp.pi * room / (digits * mp.log(10) + room**2 / (2 * sigma**2) + 3 * order + 10) / 2**halve
        reach = sigma * mp.sqrt(-2 * floor) + (abs(tilt) + 1 + order) * (2 if adjacency == "replace_one" else 1)
        points, top = [], -mp.inf
        for k in range(-int(reach / h), int(reach / h) + 1):
            level, loss = terms(k * h)
            points.append((level, loss))
            top = max(top, level)
        moments = [mp.mpf(0)] * (order + 1)
        for level, loss in points:
            weight = mp.exp(level - top)
            for k in range(order + 1):
                moments[k] += weight
                weight *= loss
        series = [m / moments[0] / mp.factorial(k) for k, m in enumerate(moments)]
        logs = [mp.mpf(0)] * (order + 1)  # k l_k = k s_k - sum_{j<k} j l_j s_{k-j}
        for k in range(1, order + 1):
            logs[k] = series[k] - sum(j * logs[j] * series[k - j] for j in range(1, k)) / k
        return [logs[k] * mp.factorial(k) for k in range(1, order + 1)]


def cumulants(sigma, q, adjacency, tilt, order, start=90):
    """[kappa_1, ..., kappa_order] to DIGITS digits."""
    digits, before = start, None
    for attempt in range(8):
        found = _attempt(sigma, q, adjacency, tilt, order, digits, attempt % 2)
        with mp.workdps(DIGITS + 10):
            if before and all(abs(a - b) <= mp.mpf(10) ** -DIGITS * abs(a) for a, b in zip(found, before)):
                return found
        before, digits = found, digits + 60
    raise ValueError("the digits do not settle")
