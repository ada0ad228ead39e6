"""Repeating a mechanism a random number of times and releasing the best outcome.

N. Papernot, T. Steinke. "Hyperparameter Tuning with Renyi Differential Privacy." ICLR 2022. arXiv:2110.03620.
"""

import math
from collections.abc import Callable

from edgeworth_acct.interop.spent import Spent, least_over_orders


def selection(spent: Spent, mean: float, shape: float) -> Callable[[float], float]:
    """Renyi divergences of the best of many runs, each of which spends `spent`.

    Parameters
    ----------
    mean : float
        Of the number of runs, >= 1.
    shape : float
        The number of runs is Poisson (infinite shape) or truncated negative binomial: geometric (1), logarithmic (0).

    Returns
    -------
    function
        From an order > 1 to an upper bound of the divergence (theorems 2 and 6).
    """
    if not (1.0 <= mean < math.inf and shape >= 0.0):
        raise ValueError(f"mean must be finite and >= 1, and shape >= 0, got {mean!r} and {shape!r}")
    if shape == math.inf:
        return lambda order: (
            spent.divergence(order)
            + mean * spent.delta(-math.log1p(-1.0 / order) * (1.0 - 1e-15))
            + math.log(mean) / (order - 1.0)
        )
    log_chance = math.log(_success(mean, shape))
    offset = (1.0 + shape) * least_over_orders(
        lambda order: (1.0 - 1.0 / order) * spent.divergence(order) - log_chance / order
    )
    return lambda order: spent.divergence(order) + offset + math.log(mean) / (order - 1.0)


def _success(mean, shape):
    """Parameter of the truncated negative binomial law with this mean; from below, which is the safe side."""
    low, high = 1e-300, 1.0
    while high > low * (1.0 + 1e-12):
        middle = math.sqrt(low * high) if high > 2.0 * low else 0.5 * (low + high)
        low, high = (low, middle) if _mean(middle, shape) <= mean else (middle, high)
    return low


def _mean(chance, shape):
    log_chance = math.log(chance)
    if log_chance == 0.0:
        return 1.0
    if shape == 0.0:
        return (1.0 - chance) / (chance * -log_chance)
    return shape * (1.0 - chance) / (chance * -math.expm1(shape * log_chance))
