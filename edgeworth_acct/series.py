"""The numbers behind the pictures: curves of epsilon, delta and attack error, certified and by other accountants."""

import numpy as np

from edgeworth_acct.accounting import delta as delta_of
from edgeworth_acct.accounting import delta_bounds, epsilon_bounds
from edgeworth_acct.accounting import epsilon as epsilon_of
from edgeworth_acct.errors import PrecisionError
from edgeworth_acct.mechanisms import SubsampledGaussian

#: other accountants that a picture can show, with what they are
METHODS = {
    "rdp": "RDP (upper bound)",
    "gdp": "GDP (central limit, estimate)",
    "edgeworth": "Edgeworth, order 1 (AEA, estimate)",
    "tilted_edgeworth": "tilted Edgeworth, order 4 (estimate)",
}


def epsilon_series(sigma, q, steps, delta, adjacency, method=None, order=None):
    """Epsilon at each of many `sigma` or `steps`: (lower, upper), or one array for another method (NaN where none).

    Parameters
    ----------
    sigma, steps : float or array_like
        One of them an array.
    method, order : optional
        As in `edgeworth_acct.epsilon`; the certified band if not given.
    """
    if method is None:
        return tuple(epsilon_bounds(sigma, q, steps, delta, adjacency=adjacency))
    values = []
    for one, count in np.nditer([np.asarray(sigma, dtype=float), np.asarray(steps)]):
        try:
            values.append(epsilon_of(float(one), q, int(count), delta, adjacency=adjacency, method=method, order=order))
        except PrecisionError:  # too few steps for this expansion
            values.append(np.nan)
    return np.array(values)


def tradeoff_series(sigma, q, steps, alpha, adjacency, method=None):
    """False negative rate at each false positive rate `alpha`: (lower, upper), or what a method's deltas say.

    From delta at many epsilons: the largest of the lines 1 - delta - e^epsilon alpha, epsilons of both signs.
    """
    if method is None:
        return tuple((steps * SubsampledGaussian(sigma, q)).tradeoff(alpha, adjacency=adjacency))
    largest = epsilon_of(sigma, q, steps, 1e-6, adjacency=adjacency)
    best = np.zeros(len(alpha))
    for epsilon in np.linspace(0.0, largest, 120):
        try:
            delta = delta_of(sigma, q, steps, float(epsilon), adjacency=adjacency, method=method)
        except PrecisionError:
            continue
        lines = (1.0 - delta - np.exp(epsilon) * alpha, np.exp(-epsilon) * (1.0 - delta - alpha))
        best = np.maximum(best, np.maximum(*lines))
    return best


def delta_error_series(sigma, q, steps, at, method, orders):
    """|delta/exact - 1| at epsilon `at` of the expansion of each order; NaN where it gives no probability."""
    exact = delta_bounds(sigma, q, steps, at, rtol=1e-13).upper
    errors = []
    for order in orders:
        try:
            errors.append(abs(delta_of(sigma, q, steps, at, method=method, order=order) / exact - 1))
        except PrecisionError:
            errors.append(np.nan)
    return np.array(errors)
