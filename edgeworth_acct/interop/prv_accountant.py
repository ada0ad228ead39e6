"""A drop-in for `prv_accountant.PRVAccountant`; needs nothing but this library.

>>> from edgeworth_acct import SubsampledGaussian
>>> accountant = PRVAccountant(SubsampledGaussian(sigma=1.0, q=0.01))
>>> low, estimate, up = accountant.compute_epsilon(1e-5, 1000)
>>> f"{estimate:.7f}", low <= estimate <= up
('1.8282367', True)
"""

from collections.abc import Iterable

from edgeworth_acct.bounds import Bounds
from edgeworth_acct.composition import Run
from edgeworth_acct.discrete import ApproximateDP, RandomizedResponse
from edgeworth_acct.laplace import Laplace
from edgeworth_acct.mechanisms import Gaussian, Mechanism, SubsampledGaussian


class PRVAccountant:
    """Accountant of mechanisms, each composed with itself.

    Parameters
    ----------
    prvs : mechanism or sequence of mechanisms
        Mechanisms of `edgeworth_acct`, or privacy random variables of prv_accountant.
    eps_error, delta_error, max_self_compositions, eps_max
        Not needed: the interval is as narrow as it can be, and any number of compositions costs the same.

    Examples
    --------
    >>> from edgeworth_acct import Gaussian, SubsampledGaussian
    >>> accountant = PRVAccountant([SubsampledGaussian(sigma=1.0, q=0.01), Gaussian(sigma=20.0)])
    >>> low, estimate, up = accountant.compute_epsilon(delta=1e-6, num_self_compositions=[500, 3])
    >>> 0.0 <= up - low <= 1e-8
    True
    """

    def __init__(self, prvs, eps_error=None, delta_error=None, max_self_compositions=None, eps_max=None):
        several = isinstance(prvs, Iterable)
        self.mechanisms = tuple(_mechanism(prv) for prv in prvs) if several else (_mechanism(prvs),)

    def compute_epsilon(self, delta: float, num_self_compositions) -> tuple[float, float, float]:
        """Lower bound, estimate and upper bound of epsilon, after so many compositions (a number per mechanism)."""
        return _three(self.run(num_self_compositions).epsilon_bounds(delta))

    def compute_delta(self, epsilon: float, num_self_compositions) -> tuple[float, float, float]:
        """Lower bound, estimate and upper bound of delta."""
        return _three(self.run(num_self_compositions).delta_bounds(epsilon))

    def run(self, num_self_compositions) -> Run:
        """The composition, for further questions."""
        several = isinstance(num_self_compositions, Iterable)
        counts = tuple(num_self_compositions) if several else (num_self_compositions,)
        if len(counts) != len(self.mechanisms):
            wanted = f"one number for each of {len(self.mechanisms)} mechanisms"
            raise ValueError(f"num_self_compositions must have {wanted}, got {counts}")
        return sum((count * mechanism for count, mechanism in zip(counts, self.mechanisms)), start=Run())


def _three(bounds: Bounds):
    return bounds.lower, 0.5 * (bounds.lower + bounds.upper), bounds.upper


def _mechanism(prv):
    """Our mechanism for one of theirs, by the name of its class."""
    if isinstance(prv, Mechanism):
        return prv
    made = {
        "PoissonSubsampledGaussianMechanism": lambda: SubsampledGaussian(float(prv.sigma), float(prv.p)),
        "GaussianMechanism": lambda: Gaussian(1.0 / prv.mu),
        "LaplaceMechanism": lambda: Laplace(1.0 / prv.mu),
        "PureDPMechanism": lambda: RandomizedResponse(prv.eps),
        "ApproximateDPMechanism": lambda: ApproximateDP(prv.pure_dp.eps, prv.delta),
    }.get(type(prv).__name__)
    if made is None:
        raise TypeError(f"prvs must be mechanisms of edgeworth_acct or prv_accountant, got {type(prv).__name__}")
    return made()
