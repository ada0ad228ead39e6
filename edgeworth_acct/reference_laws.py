"""Loss laws written down anew from the parameters of a mechanism, for the reference."""

from edgeworth_acct.reference_balls import NotVerified, arb
from edgeworth_acct.reference_mixture import Mixture
from edgeworth_acct.reference_simple import Laplace


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
    if name == "SampledWithoutReplacementGaussian" and not two:
        q = arb(parameters["sample"]) / arb(parameters["population"])
        return pair([(1 - q, 0.0), (q, 1.0)], 0.5 * parameters["sigma"])
    if name == "Laplace":
        return Laplace(parameters["scale"] / (2.0 if two else 1.0))
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
        if direction == "add":
            losses, chances = [-l for l in losses], [p * (-l).exp() for l, p in zip(losses, chances)]
            rest = 1 - sum(chances, arb(0))  # outcomes that only the second law has
            infinite = rest if rest > 1e-14 else arb(0)
        return losses, chances, infinite
    raise NotVerified(f"{name} under {direction!r} cannot be derived in ball arithmetic here")
