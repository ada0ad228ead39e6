"""Two steps, next to the largest loss of `add`, far out, or rarely sampled, against quadrature (oracles/two_steps)."""

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


# Losses of the size of q next to losses of 1/sigma^2: contours that bend; q far below delta, and far above.
RARE = [
    (0.594258, 1.19255e-9, 1.2350652e-7, "remove"),
    (0.337815, 1.07712e-12, 8.4327e-5, "remove"),
    (0.114031, 1.76233e-3, 22.4, "remove"),
    (1.0, 0.01, 0.3, "remove"),
    (0.3, 1e-6, 3e-7, "remove"),
    (0.3, 1e-6, 3e-7, "add"),
    (0.222573, 1.29968e-10, 9e-11, "add"),
    (0.27, 1e-3, 1.3e-3, "add"),
    (0.617362, 2.40167e-10, 7.0e-8, "replace_one"),
    (0.107650, 6.5343e-12, 47.8, "replace_one"),
    (0.5, 0.1, 3.0, "replace_one"),
]


@pytest.mark.parametrize(("sigma", "q", "eps", "adjacency"), RARE)
def test_two_steps_of_rare_samples(sigma, q, eps, adjacency):
    truth = float(two_steps.graded(sigma, q, eps, adjacency))
    for rtol in (1e-9, 1e-6, 1e-4):
        lower, upper = ea.delta_bounds(sigma, q, 2, eps, adjacency=adjacency, rtol=rtol)
        assert lower <= truth * (1 + 1e-12)
        assert upper >= truth * (1 - 1e-12)
        assert upper - lower <= rtol * upper
    lower, upper = ea.epsilon_bounds(sigma, q, 2, truth, adjacency=adjacency)
    assert lower <= eps * (1 + 1e-11)
    assert upper >= eps * (1 - 1e-11)
    assert upper - lower <= 1e-9 * upper


def test_the_bound_of_small_paths_is_taken_where_its_kernel_is():
    """A tilt below 1 once met the kernel of 1.001: an upper end of -656 at this setting."""
    lower, upper = ea.delta_bounds(
        0.20336634473439133, 3.0225253202137424e-08, 8441670964, 40.427883117675464, adjacency="add"
    )
    assert 0.0163 < lower <= upper < 0.0164
