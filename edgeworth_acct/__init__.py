"""Certified privacy accounting for DP-SGD: every result is an interval, and its upper end is safe to publish.

>>> import edgeworth_acct as ea
>>> ea.epsilon_bounds(sigma=1.0, q=0.01, steps=10000, delta=1e-5)  # doctest: +ELLIPSIS
Bounds(lower=6.1877123..., upper=6.1877123...)
"""

from edgeworth_acct.accounting import (
    delta,
    delta_bounds,
    epsilon,
    epsilon_bounds,
    max_sampling_rate,
    max_steps,
    noise_multiplier,
)
from edgeworth_acct.bounds import Bounds
from edgeworth_acct.calibration import calibrate
from edgeworth_acct.certificate import Verdict, verdict, verify
from edgeworth_acct.composition import Run
from edgeworth_acct.derivatives import Derivatives
from edgeworth_acct.discrete import ApproximateDP, DiscreteGaussian, DiscreteLaplace, DiscreteLoss, RandomizedResponse
from edgeworth_acct.errors import PrecisionError
from edgeworth_acct.laplace import Laplace, SubsampledLaplace
from edgeworth_acct.loss import cumulants
from edgeworth_acct.mechanisms import Gaussian, Mechanism, MixtureOfGaussians, SubsampledGaussian
from edgeworth_acct.renyi import gdp_mu, rdp_epsilon, renyi_divergence
from edgeworth_acct.sampling import SampledWithoutReplacementGaussian, TruncatedPoissonGaussian
from edgeworth_acct.tradeoff import GaussianDP

__version__ = "0.1.0"

__all__ = [
    "ApproximateDP",
    "Bounds",
    "Derivatives",
    "DiscreteGaussian",
    "DiscreteLaplace",
    "DiscreteLoss",
    "Gaussian",
    "GaussianDP",
    "Laplace",
    "Mechanism",
    "MixtureOfGaussians",
    "PrecisionError",
    "RandomizedResponse",
    "Run",
    "SampledWithoutReplacementGaussian",
    "SubsampledGaussian",
    "SubsampledLaplace",
    "TruncatedPoissonGaussian",
    "Verdict",
    "calibrate",
    "cumulants",
    "delta",
    "delta_bounds",
    "epsilon",
    "epsilon_bounds",
    "gdp_mu",
    "max_sampling_rate",
    "max_steps",
    "noise_multiplier",
    "rdp_epsilon",
    "renyi_divergence",
    "verdict",
    "verify",
]
