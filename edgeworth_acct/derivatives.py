"""Derivatives of epsilon with respect to delta and the parameters of the mechanisms."""

import math
from typing import Any, NamedTuple

import numpy as np

from edgeworth_acct.errors import PrecisionError


class Derivatives(NamedTuple):
    """d epsilon / d delta, and for each mechanism of a run those with respect to its count and parameters."""

    delta: float
    parts: dict[Any, dict[str, float]]


def derivatives(run, delta, adjacency, rtols):
    """See `Composable.derivatives`."""
    log_delta, binding, best = math.log(delta), None, -1.0
    for direction in run.directions(adjacency):
        upper = run.core(direction)[0].epsilon(log_delta, *rtols)[2]
        if upper > best:
            best, binding = upper, direction
    laws = [(mechanism, count, mechanism.law(binding)) for mechanism, count in run.ordered_parts]
    tangent = [way for mechanism, _, law in laws for layer in law.layers for way in mechanism.tangent(layer)]
    rows = [mechanism for mechanism, _, law in laws if law.layers]
    out = np.empty(2 + 3 * len(rows))
    if not run.core(binding)[0].slopes(out, np.array([*tangent, 0.0]), log_delta, *rtols):
        raise PrecisionError(f"epsilon has no derivatives that could be found for delta={delta!r}, {run!r}")
    found = {}
    for mechanism, count, law in laws:
        if law.mu:  # through mu^2 = count (d/sigma)^2
            square = law.mu**2
            found[mechanism] = {"steps": out[1] * square, "sigma": -2.0 * out[1] * count * square / mechanism.sigma}
            continue
        steps, sigma, weights = out[2 + 3 * rows.index(mechanism) :][:3]
        found[mechanism] = {"steps": steps} | mechanism.slopes(sigma, weights)
    parts = {mechanism: {name: float(value) for name, value in slopes.items()} for mechanism, slopes in found.items()}
    return Derivatives(float(out[0]), parts)
