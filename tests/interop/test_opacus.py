"""Opacus' drop-in: the accountant alone, and inside the real PrivacyEngine.

Kind of truth: `edgeworth_acct` itself, checked elsewhere; other algorithm (Opacus' own accountants).
"""

import doctest
import io
import math
import pickle
import subprocess
import sys
import warnings
from types import SimpleNamespace

import numpy as np
import pytest

import edgeworth_acct as ea
from edgeworth_acct.interop import opacus as drop_in
from edgeworth_acct.interop.opacus import EdgeworthAccountant


def accountant(*history):
    made = EdgeworthAccountant()
    made.history = list(history)
    return made


# ---- alone


def test_examples_in_docstrings():
    assert doctest.testmod(drop_in).failed == 0


def test_steps_of_one_kind_are_one_stretch():
    made = EdgeworthAccountant()
    for sigma, q, steps in ((1.0, 0.01, 3), (0.9, 0.01, 2), (1.0, 0.01, 1)):
        for _ in range(steps):
            made.step(noise_multiplier=np.float32(sigma) if sigma == 1.0 else sigma, sample_rate=q)
    assert made.history == [(1.0, 0.01, 3), (0.9, 0.01, 2), (1.0, 0.01, 1)]
    assert len(made) == 6  # the accountants of Opacus say 3
    assert len(EdgeworthAccountant()) == 0
    assert not EdgeworthAccountant()


def test_a_history_of_one_stretch_is_the_certified_epsilon():
    made = accountant((1.0, 0.01, 1000))
    lower, upper = ea.epsilon_bounds(1.0, 0.01, 1000, 1e-5)
    assert made.get_epsilon(1e-5) == made.get_epsilon(delta=1e-5, eps_error=0.1, alphas=[2.0]) == upper
    assert tuple(made.get_epsilon_bounds(1e-5)) == (lower, upper)
    assert made.get_delta(upper) <= 1e-5
    assert made.get_advantage() == ea.delta(1.0, 0.01, 1000, 0.0)
    assert made.get_beta(0.1) == (1000 * ea.SubsampledGaussian(1.0, 0.01)).tradeoff(0.1).lower


def test_a_heterogeneous_history_is_composed():
    made = accountant((1.0, 0.01, 500), (0.8, 0.02, np.int64(100)), (2.0, 1.0, 1))
    run = 500 * ea.SubsampledGaussian(1.0, 0.01) + 100 * ea.SubsampledGaussian(0.8, 0.02) + ea.Gaussian(2.0)
    assert made.get_epsilon(1e-6) == pytest.approx(run.epsilon(1e-6), rel=1e-8)
    assert made.run() + ea.Gaussian(5.0) == ea.Run(made.run().parts) + ea.Gaussian(5.0)
    assert len(made) == 601


def test_ends():
    empty = EdgeworthAccountant()
    assert (empty.get_epsilon(1e-5), empty.get_epsilon(0.0), empty.get_delta(0.0)) == (0.0, 0.0, 0.0)
    assert accountant((0.0, 0.01, 1)).get_epsilon(0.99) == math.inf
    assert accountant((0.0, 0.01, 1)).get_beta(0.5) == 0.0
    assert accountant((1.0, 0.01, 1)).get_epsilon(0.0) == math.inf
    assert ea.Gaussian(0.01).epsilon(1e-5) * 0.9 < accountant((0.01, 0.5, 2)).get_epsilon(1e-5) < math.inf


@pytest.mark.parametrize(
    ("stretch", "message"),
    [
        ((-1.0, 0.1, 1), "noise_multiplier must be finite and >= 0, got -1.0"),
        ((math.nan, 0.1, 1), "noise_multiplier must be finite"),
        ((1.0, 0.0, 1), r"sample_rate must be in \(0, 1\], got 0.0"),
        ((1.0, 1.5, 1), r"sample_rate must be in \(0, 1\], got 1.5"),
        ((1.0, 0.1, 0), "steps must be an integer >= 1"),
    ],
)
def test_refusals(stretch, message):
    with pytest.raises(ValueError, match=message):
        accountant(stretch).get_epsilon(1e-5)
    if stretch[2]:
        with pytest.raises(ValueError, match=message):
            EdgeworthAccountant().step(noise_multiplier=stretch[0], sample_rate=stretch[1])


def test_state_round_trip():
    made = accountant((1.0, 0.01, 500), (0.8, 0.02, 100))
    state = pickle.loads(pickle.dumps(made.state_dict()))
    assert state == {"history": [(1.0, 0.01, 500), (0.8, 0.02, 100)], "mechanism": "edgeworth"}
    other = EdgeworthAccountant()
    other.load_state_dict(state)
    state["history"].clear()
    assert other.history == made.history
    assert other.get_epsilon(1e-5) == made.get_epsilon(1e-5)
    given = {"model": 1}
    assert made.state_dict(given) is given
    assert given.keys() == {"model", "history", "mechanism"}


@pytest.mark.parametrize("state", [None, {}, {"history": []}, {"history": [], "mechanism": "rdp"}])
def test_states_that_are_refused(state):
    with pytest.raises(ValueError, match="state_dict must"):
        EdgeworthAccountant().load_state_dict(state)


def test_hook():
    made = EdgeworthAccountant()
    made.get_optimizer_hook_fn(sample_rate=0.01)(SimpleNamespace(noise_multiplier=1.5, accumulated_iterations=2))
    assert made.history == [(1.5, 0.02, 1)]


def test_without_opacus():
    code = """
import sys
sys.modules["opacus"] = None
from edgeworth_acct.interop.opacus import EdgeworthAccountant, register
accountant = EdgeworthAccountant()
accountant.step(noise_multiplier=1.0, sample_rate=0.01)
assert accountant.get_epsilon(1e-5) > 0.0 and "torch" not in sys.modules
register()
"""
    run = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=False)
    assert run.stderr.splitlines()[-1].endswith("register() needs Opacus: pip install opacus")


# ---- inside Opacus


@pytest.fixture(scope="module")
def opacus():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        library = pytest.importorskip("opacus", exc_type=ImportError)
    drop_in.register()
    return library


def engine_and_objects(opacus, records=600, batch=60, **options):
    import torch

    data = torch.utils.data.TensorDataset(torch.randn(records, 4), torch.randint(2, (records,)))
    loader = torch.utils.data.DataLoader(data, batch_size=batch)
    model = torch.nn.Linear(4, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        engine = opacus.PrivacyEngine(accountant="edgeworth")
        make = engine.make_private_with_epsilon if "target_epsilon" in options else engine.make_private
        made = make(module=model, optimizer=optimizer, data_loader=loader, max_grad_norm=1.0, **options)
    return engine, *made


def train(model, optimizer, loader, steps):
    import torch

    done = 0
    while done < steps:
        for x, y in loader:
            if done < steps:
                torch.nn.functional.cross_entropy(model(x), y).backward()
                optimizer.step()
                optimizer.zero_grad()
                done += 1


def test_it_is_one_of_their_accountants(opacus):
    drop_in.register()  # again
    assert issubclass(EdgeworthAccountant, opacus.accountants.IAccountant)
    assert isinstance(opacus.accountants.create_accountant("edgeworth"), EdgeworthAccountant)
    opacus.accountants.register_accountant("edgeworth", opacus.accountants.RDPAccountant, force=True)
    with pytest.raises(ValueError, match="already registered"):
        drop_in.register()
    drop_in.register(force=True)
    assert isinstance(opacus.accountants.create_accountant("edgeworth"), EdgeworthAccountant)


def test_get_noise_multiplier(opacus):
    from opacus.accountants.utils import get_noise_multiplier

    setting = {"target_epsilon": 2.0, "target_delta": 1e-6, "sample_rate": 0.01, "steps": 2000}
    sigma = get_noise_multiplier(accountant="edgeworth", epsilon_tolerance=1e-6, **setting)
    best = ea.noise_multiplier(2.0, 0.01, 2000, 1e-6)
    assert best <= sigma < best * (1 + 1e-5)
    assert sigma < get_noise_multiplier(accountant="rdp", **setting)
    small = get_noise_multiplier(accountant="edgeworth", epsilon_tolerance=1e-5, **setting | {"target_epsilon": 0.01})
    assert ea.epsilon(small, 0.01, 2000, 1e-6) <= 0.01


def test_make_private_counts_every_step(opacus):
    engine, model, optimizer, loader = engine_and_objects(opacus, noise_multiplier=1.5)
    train(model, optimizer, loader, 23)
    assert engine.accountant.history == [(1.5, 0.1, 23)]
    assert len(engine.accountant) == 23
    assert engine.get_epsilon(1e-5) == ea.epsilon(1.5, 0.1, 23, 1e-5)
    optimizer.noise_multiplier = 2.0
    train(model, optimizer, loader, 2)
    run = 23 * ea.SubsampledGaussian(1.5, 0.1) + 2 * ea.SubsampledGaussian(2.0, 0.1)
    assert engine.get_epsilon(1e-5) == run.epsilon(1e-5)


def test_make_private_with_epsilon(opacus):
    engine, model, optimizer, loader = engine_and_objects(opacus, target_epsilon=3.0, target_delta=1e-4, epochs=2)
    train(model, optimizer, loader, 20)
    assert 2.98 < engine.get_epsilon(1e-4) <= 3.0


def test_checkpoint(opacus):
    engine, model, optimizer, loader = engine_and_objects(opacus, noise_multiplier=1.5)
    train(model, optimizer, loader, 5)
    file = io.BytesIO()
    engine.save_checkpoint(path=file, module=model, optimizer=optimizer)
    file.seek(0)
    resumed, model, optimizer, loader = engine_and_objects(opacus, noise_multiplier=1.5)
    resumed.load_checkpoint(path=file, module=model, optimizer=optimizer)
    train(model, optimizer, loader, 5)
    assert len(resumed.accountant) == 10
    assert resumed.get_epsilon(1e-5) == ea.epsilon(1.5, 0.1, 10, 1e-5)
