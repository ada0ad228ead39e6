"""The generating functions that `verify` rests on.  Kind of truth: python-flint's own rigorous integration."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import reals

from edgeworth_acct import TruncatedPoissonGaussian
from edgeworth_acct.reference_balls import arb, positive, working
from edgeworth_acct.reference_laws import law_of
from edgeworth_acct.reference_sampled import binomial_tail, larger_of_both, sampled_laplace

flint = pytest.importorskip("flint")


def integral(law, z):
    """M(z) of a pair of normal mixtures: pieces of a line that leaves out less than 1e-25 of M(Re z)."""

    def integrand(u, _):
        p, q = (sum((w * (a * (u - a / 2)).exp() for w, a in side), flint.acb(0)) for side in (law.first, law.second))
        return (-u * u / 2 + (1 + z) * p.log() - z * q.log()).exp()

    centres = [float(a.mid()) for side in (law.first, law.second) for _, a in side]
    low, high = -13.0, 13.0 + (1.0 + 2.0 * float(z.real.mid())) * max(map(abs, centres))
    places = [low + (high - low) * i / 40 for i in range(41)]
    pieces = (flint.acb.integral(integrand, a, b, abs_tol=arb(10) ** -32) for a, b in pairwise(places))
    return sum(pieces, flint.acb(0)) / (2 * flint.arb.pi()).sqrt()


@settings(max_examples=20)
@given(
    reals(0.3, 5.0),
    reals(1e-4, 0.5),
    st.sampled_from(("remove", "add", "replace_one", "mixture")),
    reals(0.2, 6.0),
    reals(0.05, 3.0),
    st.sampled_from((0, 3, 40, 150)),
)
def test_generating_function_along_a_line(sigma, q, direction, c, step, first):
    parameters = {"name": "SubsampledGaussian", "sigma": sigma, "q": q}
    if direction == "mixture":
        chances = (1.0 - q, 0.5 * q, 0.5 * q)
        parameters = {
            "name": "MixtureOfGaussians",
            "sigma": sigma,
            "sensitivities": (0, 1, 2),
            "probabilities": chances,
        }
    with working():
        law = law_of(parameters, "add" if direction == "mixture" else direction)
        values, _ = law.along(c, arb(step), first, first + 10, 40)
        coarse = law.mass(c, 8)  # about 1e-4 wide
        assert coarse.contains(integral(law, flint.acb(c)).real)
        for place in (0, 9):
            exact = integral(law, flint.acb(c, arb(step) * (first + place)))
            assert values[place].overlaps(exact)
            assert values[place].real.rad() < 1e-15 * law.mass(c, 40)
            assert abs(exact).lower() <= law.far(c, step * first * (1 - 1e-15), 40) * law.mass(c, 40).upper()


def curved(parameters, z):
    """M(z) of sampled Laplace noise, or of the larger of removing and adding, from the two densities on the line."""
    acb, q = flint.acb, arb(parameters["q"])
    gauss = "sigma" in parameters
    scale, direction = arb(parameters["sigma" if gauss else "scale"]), parameters["direction"]

    def shape(x, centre, side):
        gap = (x - centre) / scale
        return (-gap * gap / 2).exp() if gauss else (-(gap if side else -gap)).exp()

    def density(x, centre, place):
        alone = shape(x, 0, place > 0)
        return (1 - q) * alone + q * shape(x, centre, place > centre) if centre else alone

    def total(first, last, term):  # far narrower than what is compared with it
        pieces = [first + (last - first) * i / 16 for i in range(17)]
        return sum((acb.integral(term, a, b, abs_tol=arb(10) ** -20) for a, b in pairwise(pieces)), acb(0))

    if gauss:  # q times the ratio's excess over 1 is 0 at 1/2

        def ratio(x):
            return (1 - q + q * ((2 * x - 1) / (2 * scale * scale)).exp()).log()

        far = arb(0.5) + 14 * scale + 8 / scale
        tail = total(arb(0.5), far, lambda x, _: shape(x, 0, 0) * (((1 + z) * ratio(x)).exp() + (-z * ratio(x)).exp()))
        norm = (2 * flint.arb.pi()).sqrt() * scale
        return tail / norm + (1 - q) * (1 / (arb(8).sqrt() * scale)).erf()
    centres, value = {"remove": (1, 0), "add": (0, 1), "replace_one": (1, -1)}[direction], acb(0)
    for first, last in pairwise((-1 - 75 * scale, arb(-1), arb(0), arb(1), 1 + 75 * scale)):
        place = (first + last) / 2

        def term(x, _, place=place):
            p, other = (density(x, centre, place) for centre in centres)
            return p * (z * (p / other).log()).exp()

        value += total(first, last, term)
    return value / (2 * scale)


@settings(max_examples=12)
@given(
    reals(0.1, 5.0),
    reals(1e-3, 0.9),
    st.sampled_from(("remove", "add", "replace_one", "larger")),
    reals(0.05, 8.0),
    reals(0.05, 3.0),
    st.sampled_from((1, 7, 40)),
)
def test_laws_with_atoms_and_densities_along_a_line(scale, q, direction, c, step, first):
    with working():
        if direction == "larger":
            law, parameters = larger_of_both(scale, q), {"sigma": scale, "q": q, "direction": "larger"}
        else:
            law, parameters = sampled_laplace(scale, q, direction), {"scale": scale, "q": q, "direction": direction}
        assert (law.mass(0.0, 40) - 1).contains(0)
        values, _ = law.along(c, arb(step), first, first + 5, 40)
        mass = law.mass(c, 40)
        assert mass.overlaps(curved(parameters, flint.acb(c)).real)
        for place in (0, 4):
            exact = curved(parameters, flint.acb(c, arb(step) * (first + place)))
            assert values[place].overlaps(exact)
            assert values[place].real.rad() < 1e-15 * mass
            assert abs(exact).lower() <= law.far(c, step * first * (1 - 1e-15), 40) * mass.upper()


@pytest.mark.parametrize(("population", "q", "limit"), [(100, 0.1, 15), (50, 0.3, 1), (10**6, 0.01, 9900), (9, 0.5, 9)])
def test_tail_of_the_batch_size(population, q, limit):
    with working():
        found = binomial_tail(population, q, limit)
        exact = 1 - (1 - arb(q)).beta_lower(population - limit + 1, limit, regularized=True)
        assert found.overlaps(exact)
        assert found.rad() < 1e-12 * found
        low, high = TruncatedPoissonGaussian(1.0, q, population, limit).overflow
        assert low <= found.lower()
        assert found.upper() <= high
        assert high - low < 1e-7 * high


def test_what_is_no_number_is_never_small():
    for value in (positive(arb("nan")), positive(arb(-1).union(arb("nan"))), positive(-(arb("nan").expm1()))):
        assert not value <= 1.0
        assert not value.upper() <= 1.0
    assert positive(arb(-2)) == 0
    assert positive(arb(2)) == 2
    both = positive(arb(-3).union(arb(1)))
    assert both.contains(0)
    assert both.contains(1)


@pytest.mark.parametrize("sigma", [0.05, 0.7, 3.0, 200.0])
def test_discrete_gaussian_is_a_pair_of_laws(sigma):
    with working():
        for direction, shift in (("remove", 1), ("replace_one", 2)):
            losses, chances, beyond = law_of({"name": "DiscreteGaussian", "sigma": sigma}, direction)
            assert (sum(chances, beyond) - 1).contains(0)
            assert beyond.upper() < 1e-50
            # the second law, P(loss) e^-loss, is the first one around `shift`
            second = [chance * (-loss).exp() for loss, chance in zip(losses, chances)]
            for one, other in zip(chances[shift:], second):
                assert one.overlaps(other)
