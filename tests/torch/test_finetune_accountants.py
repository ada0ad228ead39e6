"""Noise by accountant, against the figures that EW-Tune published (see `edgeworth_acct.published`)."""

from pathlib import Path

import pytest
from torch_text import tiny_bert, write_tsv

import edgeworth_acct as ea
from edgeworth_acct import published
from edgeworth_acct.torch_adapter import DPPlan
from edgeworth_acct.torch_adapter.accountants import comparison, plan_by, table
from edgeworth_acct.torch_adapter.finetune import main

README = Path(__file__).resolve().parents[2] / "README.md"

# The smallest noise multiplier for epsilon 8, to six decimals, from an evaluation of 30 digits.
HONEST = {
    ("MNLI", 1e-5): 0.578560,
    ("MNLI", 1e-6): 0.604481,
    ("QQP", 1e-5): 0.584752,
    ("QQP", 1e-6): 0.611128,
    ("QNLI", 1e-5): 0.725917,
    ("QNLI", 1e-6): 0.764149,
    ("SST-2", 1e-5): 0.798198,
    ("SST-2", 1e-4): 0.747888,
}


@pytest.mark.parametrize("run", published.NOISE, ids=lambda run: f"{run.task}-{run.delta:g}")
def test_published_noise_is_what_these_accountants_choose(run):
    edgeworth, _, rdp = published.NOISE[run]
    plan = DPPlan.calibrate(
        n=published.SIZES[run.task], expected_batch=run.batch, epochs=published.EPOCHS, epsilon=8.0, delta=run.delta
    )
    assert plan.steps == run.steps
    certified, best_rdp, old_rdp, estimate = comparison(plan, 8.0)
    assert certified["sigma"] == pytest.approx(HONEST[run.task, run.delta], abs=6e-7)
    assert certified["epsilon"] <= 8.0
    assert old_rdp["sigma"] == pytest.approx(rdp, abs=2.6e-3)  # they searched in steps of 0.0005 to 0.0025
    assert old_rdp["sigma"] <= rdp
    assert certified["sigma"] < best_rdp["sigma"] < old_rdp["sigma"]
    assert estimate["sigma"] == pytest.approx(edgeworth, abs=1.1e-3)
    assert estimate["says"] == pytest.approx(8.0, abs=1e-6)
    assert estimate["epsilon"] > 8.0
    assert max(best_rdp["epsilon"], old_rdp["epsilon"]) < 8.0
    for row in (certified, best_rdp, old_rdp, estimate):
        assert row["epsilon"] == ea.epsilon_bounds(row["sigma"], run.q, run.steps, run.delta).upper


def test_plans_by_accountant_carry_the_certified_epsilon():
    run = {"n": 67_349, "expected_batch": 2_000, "delta": 1e-5, "epochs": 20}
    certified, rdp, estimate = (plan_by(name, epsilon=8.0, **run) for name in ("certified", "rdp", "edgeworth"))
    assert certified.sigma < rdp.sigma
    assert estimate.sigma == pytest.approx(0.7865, abs=1e-3)
    assert 8.28 < estimate.epsilon < 8.31
    assert rdp.epsilon < certified.epsilon <= 8.0
    with pytest.raises(ValueError, match="accountant must be one of certified, rdp, edgeworth, got 'moments'"):
        plan_by("moments", epsilon=8.0, **run)


def test_the_table_of_a_dry_run(tmp_path, capsys):
    tiny_bert(tmp_path / "bert")
    for split, size in (("train", 67_349), ("dev", 2)):
        write_tsv(tmp_path / f"sst2_{split}.tsv", ("sentence", "label"), [("fine", 1)] * size)
    given = ["--task", "sst2", "--model", tmp_path / "bert", "--data", tmp_path, "--epsilon", 8, "--delta", 1e-5]
    given += ["--batch-size", 2000, "--epochs", 20, "--max-length", 8, "--method", "head", "--output", tmp_path / "x"]
    assert main([*map(str, given), "--dry-run", "--compare"]) == 0
    shown = capsys.readouterr().out
    assert "q = 0.02969606082" in shown
    assert "logical steps                   660\n" in shown
    plan = DPPlan.calibrate(n=67_349, expected_batch=2_000, epochs=20, epsilon=8.0, delta=1e-5)
    text = table(comparison(plan, 8.0))
    assert text in shown
    assert text in README.read_text(encoding="utf-8")
    rows = {line.split("  ")[0]: line.split() for line in text.splitlines()[1:]}
    assert rows["certified"][-3:] == ["0.798199", "8.000000", "8.000000"]
    assert float(rows["edgeworth (estimate)"][-1]) > 8.28
