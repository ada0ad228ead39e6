"""The generating functions that `verify` rests on.  Kind of truth: python-flint's own rigorous integration."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import reals

from edgeworth_acct.reference_balls import arb, positive, working
from edgeworth_acct.reference_laws import law_of

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
