"""Laws of composition for every mechanism: what is equal has the same bounds, to the last bit."""

import copy
import dataclasses
import json
import pickle

import pytest
from pairs import PAIRS

import edgeworth_acct as ea
from edgeworth_acct import Run, SubsampledGaussian
from edgeworth_acct.laws import DIRECTIONS

NAMES = list(PAIRS)
every = pytest.mark.parametrize("name", NAMES)


def mechanism(name, offset=0):
    """That mechanism, or the one so many places after it, so that all kinds meet."""
    return PAIRS[NAMES[(NAMES.index(name) + offset) % len(NAMES)]][0]


def bounds(run):
    """Epsilon for every neighbouring relation that all parts offer."""
    refused = {word for part, _ in run.parts for word in part.refusals}
    return {word: run.epsilon_bounds(1e-3, adjacency=word) for word in DIRECTIONS if word not in refused}


@every
def test_associative_and_commutative(name):
    a, b, c = 2 * mechanism(name), 3 * mechanism(name, 1), 1 * mechanism(name, 3)
    assert (a + b) + c == a + (b + c) == c + b + a
    assert hash((a + b) + c) == hash(c + (b + a))
    assert bounds((a + b) + c) == bounds(a + (b + c)) == bounds(c + b + a)


@every
def test_identity(name):
    a = 4 * mechanism(name)
    assert a + Run() == Run() + a == a == 1 * a
    assert bounds(a + Run() + 0 * mechanism(name, 1)) == bounds(a)
    assert 0 * a == Run()
    assert bounds(0 * a) == dict.fromkeys(DIRECTIONS, ea.Bounds(0.0, 0.0))


@every
def test_equal_mechanisms_merge(name):
    one, same = mechanism(name), dataclasses.replace(mechanism(name))
    assert one == same
    assert one + same == 2 * one == sum([one, same])
    assert len((3 * one + 4 * mechanism(name, 1) + 5 * same).parts) == 2
    assert 3 * one + 4 * same == 7 * one == 7 * same != 8 * one
    assert 3 * (2 * one) == 6 * one
    assert bounds(sum([one] * 7)) == bounds(7 * same)
    assert 1 * one != 1 * mechanism(name, 1)


@every
def test_round_trips(name):
    run = 5 * mechanism(name) + 2 * mechanism(name, 2)
    known = bounds(run)
    for again in (pickle.loads(pickle.dumps(run)), copy.deepcopy(run), Run.from_json(run.to_json())):
        assert again == run
        assert hash(again) == hash(run)
        assert again.parts == run.parts
        assert bounds(again) == known
    assert Run.from_json(json.dumps(json.loads(run.to_json()), sort_keys=True, indent=1)) == run
    alone = pickle.loads(pickle.dumps(mechanism(name)))
    assert alone == mechanism(name)
    assert repr(alone) == repr(mechanism(name))


@every
def test_a_stored_run_and_a_new_stage_merge(name):
    stored = Run.from_json((5 * mechanism(name) + SubsampledGaussian(1.0, 0.02)).to_json())
    merged = stored + 6 * mechanism(name)
    assert merged == 11 * mechanism(name) + SubsampledGaussian(1.0, 0.02)
    assert bounds(merged) == bounds(SubsampledGaussian(1.0, 0.02) + 11 * mechanism(name))


@every
def test_neither_a_mechanism_nor_a_run_changes(name):
    field = dataclasses.fields(mechanism(name))[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(mechanism(name), field, 1.0)
    run = 2 * mechanism(name)
    with pytest.raises(AttributeError, match="immutable"):
        run.parts = ()
    run + mechanism(name, 1), 3 * run, run.epsilon(1e-2)
    assert run == 2 * mechanism(name)


@every
def test_more_cost_more(name):
    """Adding anything can only raise epsilon."""
    run = 3 * mechanism(name)
    more, most = bounds(run + mechanism(name, 1)), bounds(2 * run + mechanism(name, 1))
    for word, (lower, _) in bounds(run).items():
        if word in more:
            assert lower <= more[word].upper
            assert more[word].lower <= most[word].upper
