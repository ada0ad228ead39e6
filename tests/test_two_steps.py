"""Two steps next to the largest loss of `add`, or far out, against quadrature of one step (oracles/two_steps)."""

import pytest
from oracles import two_steps

import edgeworth_acct as ea

# Terms below the smallest double, differences eps - edge of a few units, masses of the small steps next to none.
SETTINGS = [
    (47.48346497193516, 2.877317081385728e-07, 1e-7),
    (47.48346497193516, 2.877317081385728e-07, 1.3e-7),
    (47.48346497193516, 2.877317081385728e-07, 1.63236766393378e-07),
    (0.24025652486554008, 1.2582864476159749e-11, 2.5165728941153258e-11),
    (0.22788097717459782, 3.2774667801374293e-05, 6.5550409775571569e-05),
    (1.0, 0.01, 0.015),
]


@pytest.mark.parametrize(("sigma", "q", "eps"), SETTINGS)
def test_two_steps(sigma, q, eps):
    truth = two_steps.delta(sigma, q, eps)
    for rtol in (1e-9, 1e-6, 1e-4):  # each may take another way
        lower, upper = ea.delta_bounds(sigma, q, 2, eps, adjacency="add", rtol=rtol)
        assert lower <= truth <= upper


def test_the_bound_of_small_paths_is_taken_where_its_kernel_is():
    """A tilt below 1 once met the kernel of 1.001: an upper end of -656 at this setting."""
    lower, upper = ea.delta_bounds(
        0.20336634473439133, 3.0225253202137424e-08, 8441670964, 40.427883117675464, adjacency="add"
    )
    assert 0.0163 < lower <= upper < 0.0164
