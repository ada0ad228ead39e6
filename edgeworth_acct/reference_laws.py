"""Loss laws written down anew from the parameters of a mechanism, for the reference."""

import math

from edgeworth_acct.reference_balls import NotVerified, arb, positive
from edgeworth_acct.reference_mixture import Mixture
from edgeworth_acct.reference_sampled import binomial_tail, larger_of_both, sampled_laplace
from edgeworth_acct.reference_simple import Laplace, Layered

_REACH = 16  # standard deviations of a discrete Gaussian: beyond lies less than 1e-54


class Normal:
    """A Gaussian mechanism."""

    def __init__(self, mu):
        self.mu = mu


def law_of(parameters, direction):
    """The loss law of a mechanism by name and parameters: Normal, a law above, or (losses, probabilities, infinite)."""
    name, two = parameters["name"], direction == "replace_one"

    def response(epsilon, k):
        e = arb(epsilon)
        total = e.exp() + (k - 1)
        losses, chances = [e, -e], [e.exp() / total, 1 / total]
        return ([*losses, arb(0)], [*chances, (k - 2) / total], arb(0)) if k > 2 else (losses, chances, arb(0))

    def pair(components, sigma):
        mirrored, alone = [(w, -a) for w, a in components], [(arb(1), 0.0)]
        return Mixture(alone if direction == "add" else components, alone if direction == "remove" else mirrored, sigma)

    if name == "Gaussian" or (name == "SubsampledGaussian" and parameters["q"] == 1.0):
        return Normal((2 if two else 1) / arb(parameters["sigma"]))
    if name == "SubsampledGaussian":
        q = arb(parameters["q"])
        return pair([(1 - q, 0.0), (q, 1.0)], parameters["sigma"])
    if name == "MixtureOfGaussians":
        chances = [(arb(w), a) for a, w in zip(parameters["sensitivities"], parameters["probabilities"]) if w > 0.0]
        return pair(chances, parameters["sigma"])
    if name == "SampledWithoutReplacementGaussian":
        q, sigma = arb(parameters["sample"]) / arb(parameters["population"]), arb(parameters["sigma"]) / 2
        if q == 1:
            return Normal(1 / sigma)
        return larger_of_both(sigma, q) if two else pair([(1 - q, 0.0), (q, 1.0)], sigma)
    if name == "TruncatedPoissonGaussian":
        q, sigma, limit = arb(parameters["q"]), arb(parameters["sigma"]), parameters["limit"]
        over, poisson = binomial_tail(parameters["population"], parameters["q"], limit), [(1 - q, 0.0), (q, 1.0)]
        near, far = pair(poisson, sigma), larger_of_both(sigma / 2, q) if two else pair(poisson, sigma / 2)
        return Layered([(1 - over, near), (over, far)]) if limit <= parameters["population"] else near
    if name == "SubsampledLaplace" and parameters["q"] < 1.0:
        return sampled_laplace(parameters["scale"], parameters["q"], direction)
    if name == "Laplace" or (name == "SubsampledLaplace" and parameters["q"] == 1.0):
        return Laplace(arb(parameters["scale"]) / (2 if two else 1))
    if name == "RandomizedResponse":
        return response(parameters["epsilon"], parameters["categories"])
    if name == "DiscreteLaplace" and not two:
        return response(1 / arb(parameters["scale"]), 2)
    if name == "DiscreteLaplace":
        step = 1 / arb(parameters["scale"])
        r = (-step).exp()
        return ([2 * step, arb(0), -2 * step], [1 / (1 + r), r * (1 - r) / (1 + r), r * r / (1 + r)], arb(0))
    if name == "ApproximateDP":
        losses, chances, _ = response(parameters["epsilon"], 2)
        infinite = arb(parameters["delta"])
        return losses, [chance * (1 - infinite) for chance in chances], infinite
    if name == "DiscreteLoss":
        losses, chances = ([arb(x) for x in parameters[key]] for key in ("losses", "probabilities"))
        infinite = arb(parameters["infinity_mass"])
        if direction == "remove":  # what rounding took from the sum may be anywhere
            return losses, chances, infinite + arb(0).union(positive(1 - infinite - sum(chances, arb(0))))
        losses, chances = [-l for l in losses], [p * (-l).exp() for l, p in zip(losses, chances)]
        return losses, chances, positive(1 - sum(chances, arb(0)))  # outcomes that only the second law has
    if name == "DiscreteGaussian":
        return _discrete_gaussian(2 if two else 1, arb(parameters["sigma"]) ** 2)
    raise NotVerified(f"{name} under {direction!r} cannot be derived in ball arithmetic here")


def _discrete_gaussian(shift, variance):
    """Losses (shift - 2k) shift/(2 variance) at integers k; what lies beyond the last may be anywhere."""
    last = math.ceil(_REACH * float(variance.mid()) ** 0.5) + 2
    places = range(last, -last - 1, -1)
    weights = [(-arb(k * k) / (2 * variance)).exp() for k in places]
    next_one, ratio = (-arb((last + 1) ** 2) / (2 * variance)).exp(), (-arb(last + 1) / variance).exp()
    beyond = arb(0).union(2 * next_one / (1 - ratio))
    total = sum(weights, beyond)
    losses = [shift * (shift - 2 * k) / (2 * variance) for k in places]
    return losses, [weight / total for weight in weights], beyond / total
