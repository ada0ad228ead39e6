"""A convolution on a fine grid contains our interval, for every mechanism in every direction.

Kind of truth: other algorithm (oracles/pld.py).
"""

import pytest
from oracles import pld
from pairs import PAIRS

import edgeworth_acct as ea
from edgeworth_acct import Mechanism, Run

H = 2e-4


def test_the_table_is_complete():
    exported = [getattr(ea, name) for name in ea.__all__]
    kinds = {kind for kind in exported if isinstance(kind, type) and issubclass(kind, Mechanism)} - {Mechanism}
    assert kinds == {type(mechanism) for mechanism, _ in PAIRS.values()}
    for mechanism, cells in PAIRS.values():
        assert cells.keys() == {"add", "remove", "replace_one"} - mechanism.refusals.keys()


@pytest.mark.parametrize("count", [1, 12])
@pytest.mark.parametrize(("name", "adjacency"), [(name, way) for name in PAIRS for way in PAIRS[name][1]])
def test_fine_grid_contains_ours(name, adjacency, count):
    mechanism, cells = PAIRS[name]
    run, oracle = count * mechanism, pld.Run([(cells[adjacency], count)], H)
    for target in (1e-2, 1e-5):
        eps = run.epsilon(target, adjacency=adjacency)
        ours, (low, high) = run.delta_bounds(eps, adjacency=adjacency), oracle.delta(eps)
        assert low <= ours.upper
        assert ours.lower <= high
        many = adjacency == "replace_one" and name in {"truncated", "without replacement"}  # of atoms, in few steps
        wide = 1.02 if many else 1.001
        assert ours.upper <= wide * high + 1e-11  # the oracle's lower end is as far from the truth as its upper end
        assert low <= wide * ours.lower + 1e-11 or ours.upper < 1e-11
        assert ours.upper - ours.lower <= 2 * (wide - 1) * ours.upper


@pytest.mark.parametrize("name", PAIRS)
def test_the_larger_of_adding_and_removing(name):
    mechanism, cells = PAIRS[name]
    run, oracles = 5 * mechanism, [pld.Run([(cells[way], 5)], H) for way in ("add", "remove")]
    eps = run.epsilon(1e-5)
    ours, ends = run.delta_bounds(eps), [oracle.delta(eps) for oracle in oracles]
    assert max(low for low, _ in ends) <= ours.upper
    assert ours.lower <= max(high for _, high in ends)


@pytest.mark.parametrize(
    ("names", "adjacency"),
    [
        (["sampled", "laplace", "discrete gaussian", "sampled laplace"], "remove"),
        (["mixture", "response", "truncated", "discrete loss"], "add"),
        (["gaussian", "without replacement", "discrete laplace", "approximate"], "replace_one"),
    ],
)
def test_mixed_runs_on_the_grid(names, adjacency):
    run = Run([(PAIRS[name][0], 3) for name in names])
    oracle = pld.Run([(PAIRS[name][1][adjacency], 3) for name in names], H)
    eps = run.epsilon(1e-5, adjacency=adjacency)
    ours, (low, high) = run.delta_bounds(eps, adjacency=adjacency), oracle.delta(eps)
    assert low <= ours.lower
    assert ours.upper <= high
