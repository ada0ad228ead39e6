"""Pitfall 14: kill a run at any line, resume, and nothing is lost, uncharged or different."""

import copy
import json
import subprocess
import sys
import textwrap

import pytest
import torch
from torch_models import DATA, PLAN, SEEDED, network

from edgeworth_acct.torch_adapter import DPEngine, DPPlan, fit
from edgeworth_acct.torch_adapter import checkpoint as files

DRIVER = """
    import json, os, random, signal, sys, time
    from pathlib import Path

    import torch
    from torch import nn

    from edgeworth_acct.torch_adapter import DPPlan, fit
    from edgeworth_acct.torch_adapter import checkpoint as files

    folder, steps = Path(sys.argv[1]), 40
    torch.set_num_threads(1)
    data = [(torch.tensor([float(k % 2), 1.0]), torch.tensor(k % 2)) for k in range(40)]
    plan = DPPlan(n=40, expected_batch=6, steps=steps, sigma=1.0, delta=1e-3)

    def run(name, **options):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(2, 200), nn.Dropout(0.5), nn.Tanh(), nn.Linear(200, 2))
        torch.manual_seed(time.time_ns())
        fit(model, data, plan, lr=0.05, optimizer="adamw_bc", micro_batch=4, insecure_reproducible=True, seed=3,
            checkpoint=folder / name, checkpoint_every=1, evaluate_every=7, progress=False, **options)

    run("whole")
    random.seed(int(sys.argv[2]))
    state = folder / "killed" / "checkpoint.bin"
    identity = lambda: state.stat().st_ino if state.exists() else None
    kills, done = 0, False
    while not done:
        before = identity()
        child = os.fork()
        if child == 0:
            run("killed", resume=True)
            os._exit(0)
        if kills % 3:  # after some progress; else wherever it is, before the first step perhaps
            while identity() == before and os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
                time.sleep(0.001)
        time.sleep(random.uniform(0.0, 0.08))
        os.kill(child, signal.SIGKILL)
        done = os.waitpid(child, 0)[1] == 0
        if done:
            break
        kills += 1
        if state.exists():  # whole, and charged for all that it holds
            ((_, _, count),) = files.load(state)["engine"]["ledger"] or [(0, 0, 0)]
            certificate = json.loads((folder / "killed" / "certificate.json").read_text())
            assert count <= certificate["notes"]["training"]["released_steps"] <= count + 1
    print(kills)
"""


def test_killed_runs_end_as_if_nothing_had_happened(tmp_path):
    script = tmp_path / "driver.py"
    script.write_text(textwrap.dedent(DRIVER))
    run = subprocess.run([sys.executable, script, tmp_path, "0"], capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    assert int(run.stdout) >= 5
    whole, killed = (files.load(tmp_path / name / "checkpoint.bin") for name in ("whole", "killed"))
    assert whole["engine"] == killed["engine"]
    assert whole["engine"]["ledger"] == [[1.0, 0.15, 40]]
    assert whole["model"].keys() == killed["model"].keys()
    for name, value in whole["model"].items():
        assert torch.equal(value, killed["model"][name]), name
    for one, two in zip(whole["optimizer"]["state"].values(), killed["optimizer"]["state"].values()):
        assert one["step"] == two["step"] == 40
        assert torch.equal(one["mean"], two["mean"])
        assert torch.equal(one["square"], two["square"])
    for name in ("weights.pt",):
        one, two = (torch.load(tmp_path / each / name, weights_only=True) for each in ("whole", "killed"))
        assert all(torch.equal(one[key], two[key]) for key in one)
    for name in ("certificate.json", "metrics.json", "plan.json"):
        one, two = ((tmp_path / each / name).read_text() for each in ("whole", "killed"))
        assert json.loads(one) == json.loads(two)
    assert not [path for path in (tmp_path / "killed").iterdir() if path.name.startswith(".")]


@pytest.fixture
def folder(tmp_path):
    fit(network(), DATA, PLAN, lr=0.05, checkpoint=tmp_path, **SEEDED)
    return tmp_path


def test_a_finished_run_resumes_to_nothing(folder):
    model = network()
    result = fit(model, DATA, PLAN, lr=0.05, checkpoint=folder, resume=True, **SEEDED)
    assert result.epsilon == PLAN.bounds
    weights = torch.load(folder / "weights.pt", weights_only=True)
    assert all(torch.equal(weights[name], value) for name, value in model.state_dict().items())


def test_a_checkpoint_is_not_overwritten_by_a_new_run(folder):
    with pytest.raises(ValueError, match="resume=True continues it"):
        fit(network(), DATA, PLAN, lr=0.05, checkpoint=folder, **SEEDED)


@pytest.mark.parametrize("cut", [0, 10, 50, 1000, -1])
def test_truncated_checkpoints_are_refused(folder, cut):
    path = folder / "checkpoint.bin"
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(ValueError, match=r"truncated or damaged|is no checkpoint"):
        fit(network(), DATA, PLAN, lr=0.05, checkpoint=folder, resume=True, **SEEDED)


def test_damaged_and_foreign_checkpoints_are_refused(folder):
    path = folder / "checkpoint.bin"
    content = path.read_bytes()
    path.write_bytes(content[:-500] + bytes([content[-500] ^ 1]) + content[-499:])
    with pytest.raises(ValueError, match="truncated or damaged"):
        files.load(path)
    torch.save({}, path)
    with pytest.raises(ValueError, match="no checkpoint of edgeworth_acct"):
        files.load(path)
    files.save(path, {"something": 1})
    with pytest.raises(ValueError, match="another model or another run"):
        fit(network(), DATA, PLAN, lr=0.05, checkpoint=folder, resume=True, **SEEDED)
    with pytest.raises(FileNotFoundError):
        files.load(folder / "nothing")


def test_checkpoints_of_other_runs_are_refused(folder):
    other = DPPlan(n=60, expected_batch=20, steps=12, sigma=3.0, delta=1e-3)
    options = {"lr": 0.05, "checkpoint": folder, "resume": True, **SEEDED}
    with pytest.raises(ValueError, match="state must belong to this plan"):
        fit(network(), DATA, other, **options)
    with pytest.raises(ValueError, match="was made with"):
        fit(network(), DATA, PLAN, **{**options, "lr": 0.1})
    with pytest.raises(ValueError, match="another model"):
        fit(torch.nn.Linear(3, 2), DATA, PLAN, **options)


def test_a_failing_write_costs_nothing(folder, monkeypatch):
    before = (folder / "checkpoint.bin").read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        files.save(folder / "checkpoint.bin", {"other": torch.zeros(3)})
    assert (folder / "checkpoint.bin").read_bytes() == before
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]


def test_engine_state_alone_resumes_bit_for_bit():
    """Without `fit`: engine, model and optimizer state, taken in the middle of a step, which then begins again."""
    plan = DPPlan(n=60, expected_batch=10, steps=6, sigma=1.0, delta=1e-3)
    x, y = (torch.stack(part) for part in zip(*DATA))

    def make():
        torch.manual_seed(0)
        model = torch.nn.Linear(3, 2)
        optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
        return model, optimizer, DPEngine(model, optimizer, plan)

    def train(model, engine, stop=None):
        for logical in engine.sampler(60, micro_batch=8):
            for mb in logical:
                rows = mb.indices.clamp(min=0)
                losses = torch.nn.functional.cross_entropy(model(x[rows]), y[rows], reduction="none")
                engine.backward(losses, mask=mb.mask)
            if engine.ledger.steps == stop:
                return
            engine.step()

    model, optimizer, engine = make()
    train(model, engine, stop=3)
    state = copy.deepcopy([each.state_dict() for each in (model, optimizer, engine)])
    again, second, resumed = make()
    for target, values in zip((again, second, resumed), state):
        target.load_state_dict(values)
    train(again, resumed)
    engine.load_state_dict(state[2])  # the step in flight is abandoned and begins anew
    train(model, engine)
    assert torch.equal(model.weight, again.weight)
    assert engine.state_dict() == resumed.state_dict()
    assert resumed.epsilon() == plan.bounds
    for wrong in ({}, {**state[2], "ledger": 3}):
        with pytest.raises(ValueError, match="must be a DPEngine's state_dict"):
            resumed.load_state_dict(wrong)
