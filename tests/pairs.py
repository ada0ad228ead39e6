"""Mechanisms of every class, and cells of their dominating pairs by oracles/pld.py, which knows the laws alone."""

import math

import numpy as np
from oracles import pld

from edgeworth_acct import (
    ApproximateDP,
    DiscreteGaussian,
    DiscreteLaplace,
    DiscreteLoss,
    Gaussian,
    Laplace,
    MixtureOfGaussians,
    RandomizedResponse,
    SampledWithoutReplacementGaussian,
    SubsampledGaussian,
    SubsampledLaplace,
    TruncatedPoissonGaussian,
)

ALONE = ((1.0, 0.0),)


def mirrored(law):
    return tuple((weight, -place) for weight, place in law)


def ways(cells, law, *, scale):
    """Removing, adding, and replacing a record whose presence turns the law around 0 into this one."""
    return {
        "remove": cells(law, ALONE, scale),
        "add": cells(ALONE, mirrored(law), scale),
        "replace_one": cells(law, mirrored(law), scale),
    }


def first_two(cells):
    return {way: cells[way] for way in ("remove", "add")}


def finite(p, q):
    """Removing and adding where two laws give these probabilities; an outcome that only one has costs that one all."""
    (p, q), both = np.array([p, q]), np.array(p) * np.array(q) > 0
    loss = np.log(p[both] / q[both])
    return {"remove": pld.atoms(loss, p[both], p[~both].sum()), "add": pld.atoms(-loss, q[both], q[~both].sum())}


def everywhere(cells):
    return dict.fromkeys(("remove", "add", "replace_one"), cells["remove"])


# The laws of one step.
SAMPLED = ((0.9, 0.0), (0.1, 1.0))
FIXED = ((0.9, 0.0), (0.1, 2.0))
MIXED = ((0.5, 0.0), (0.3, 1.0), (0.2, 3.0))
CUT = FIXED  # of a record in a batch that is cut to 15
OVER = pld.overflow(100, 0.1, 15)

HIGH = 1 / (1 + 3 * math.exp(-0.8))
LOW = math.exp(-0.8) * HIGH
PURE = (1 - 1e-7) / (1 + math.exp(-0.8))
P, Q = (0.4, 0.35, 0.15, 0.1 - 1e-7, 1e-7, 0.0), (0.2, 0.3, 0.25, 0.25 - 2e-7, 0.0, 2e-7)

fixed = ways(pld.normals, FIXED, scale=2.0)
free, cut = ways(pld.normals, SAMPLED, scale=1.0), ways(pld.normals, CUT, scale=1.0)
cut["replace_one"] = pld.larger(cut["remove"], cut["add"])

#: name -> (mechanism, {direction: cells}), all directions that it offers
PAIRS = {
    "gaussian": (Gaussian(3.0), ways(pld.normals, ((1.0, 1.0),), scale=3.0)),
    "sampled": (SubsampledGaussian(1.0, 0.1), free),
    "mixture": (
        MixtureOfGaussians(2.0, (0.0, 1.0, 3.0), (0.5, 0.3, 0.2)),
        first_two(ways(pld.normals, MIXED, scale=2.0)),
    ),
    "laplace": (Laplace(2.0), ways(pld.laplaces, ((1.0, 1.0),), scale=2.0)),
    "sampled laplace": (SubsampledLaplace(0.8, 0.2), ways(pld.laplaces, ((0.8, 0.0), (0.2, 1.0)), scale=0.8)),
    "discrete gaussian": (
        DiscreteGaussian(2.5),
        {way: pld.discrete_gaussian(2.5, k) for way, k in (("remove", 1), ("add", -1), ("replace_one", 2))},
    ),
    "discrete laplace": (
        DiscreteLaplace(1.7),
        {way: pld.discrete_laplace(1.7, k) for way, k in (("remove", 1), ("add", -1), ("replace_one", 2))},
    ),
    "response": (RandomizedResponse(0.8, 4), everywhere(finite((HIGH, LOW, LOW, LOW), (LOW, HIGH, LOW, LOW)))),
    "approximate": (
        ApproximateDP(0.8, 1e-7),
        everywhere(finite((PURE, PURE * math.exp(-0.8), 1e-7, 0), (PURE * math.exp(-0.8), PURE, 0, 1e-7))),
    ),
    "discrete loss": (
        DiscreteLoss(tuple(sorted(math.log(p / q) for p, q in zip(P[:4], Q))), P[3::-1], infinity_mass=1e-7),
        finite(P, Q),
    ),
    "without replacement": (
        SampledWithoutReplacementGaussian(2.0, 100, 10),
        fixed | {"replace_one": pld.larger(fixed["remove"], fixed["add"])},
    ),
    "truncated": (
        TruncatedPoissonGaussian(1.0, 0.1, 100, 15),
        {way: pld.public(OVER, cut[way], free[way]) for way in free},
    ),
}
