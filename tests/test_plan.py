"""`edgeworth-acct plan` and `edgeworth-acct plot`: tables, pictures, refusals.

Kind of truth: `edgeworth_acct` itself, checked elsewhere; closed form (the Gaussian trade-off curve).
"""

import json
import shlex
import subprocess
import sys
from statistics import NormalDist

import numpy as np
import pytest

import edgeworth_acct as ea
from edgeworth_acct.cli import main
from edgeworth_acct.plan import plan
from edgeworth_acct.series import METHODS, delta_error_series, epsilon_series, tradeoff_series

PLAN = "plan --epsilon 8 --delta 1e-5 --dataset-size 67349 --epochs 1..20 --batch-size 500..4000"
PLOT = "plot --sigma 0.8 --q 0.03 --steps 660 --delta 1e-5"
STARTS = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}


def run(line):
    return main(shlex.split(line))


def refusal(line, capsys):
    with pytest.raises(SystemExit) as stop:
        run(line)
    out, err = capsys.readouterr()
    assert (stop.value.code, out, err.count("\n")) == (2, "", 1)
    return err


# ---- plan


def test_every_pair_of_the_ranges(capsys):
    assert run(f"{PLAN} --json") == 0
    report = json.loads(capsys.readouterr().out)
    rows = report["results"]
    assert {row["epochs"] for row in rows} == {1, 2, 4, 8, 16, 20}
    assert {row["batch_size"] for row in rows} == {500, 1000, 2000, 4000}
    assert len(rows) == 24
    for row in rows:
        assert row["q"] == row["batch_size"] / 67349
        assert row["steps"] == row["epochs"] * (67349 // row["batch_size"])
        assert row["sigma"] == ea.noise_multiplier(8.0, row["q"], row["steps"], 1e-5)
        assert row["noise_per_step"] == pytest.approx(row["sigma"] / row["batch_size"], rel=1e-15)
        assert row["noise_per_run"] == pytest.approx(row["noise_per_step"] / row["steps"] ** 0.5, rel=1e-15)
    (best,) = [row for row in rows if row["best"]]
    assert best["noise_per_run"] == min(row["noise_per_run"] for row in rows)
    assert (report["epsilon"], report["delta"], report["adjacency"]) == (8.0, 1e-5, "add_or_remove")


def test_table(capsys):
    assert run(PLAN) == 0
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.split() == ["epochs", "batch_size", "q", "steps", "sigma", "per", "step", "per", "run"]
    marked = [line for line in lines[:24] if line.endswith("best")]
    assert len(marked) == 1
    assert marked[0].split()[:2] == ["20", "4000"]
    sst2 = next(line for line in lines if line.split()[:2] == ["20", "2000"])
    assert float(sst2.split()[4]) == pytest.approx(0.798198, abs=1e-6)
    assert float(sst2.split()[4]) >= ea.noise_multiplier(8.0, 2000 / 67349, 660, 1e-5)


def test_values_beside_ranges_and_adjacency():
    one = plan(2.0, 1e-6, 1000, [3], [10, 100], adjacency="replace_one")
    assert [row["batch_size"] for row in one] == [10, 100]
    assert one[1]["sigma"] == ea.noise_multiplier(2.0, 0.1, 30, 1e-6, adjacency="replace_one")


@pytest.mark.parametrize("ending", STARTS)
def test_heat_map(ending, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    path = tmp_path / f"map.{ending}"
    assert run(f"{PLAN} --plot {path}") == 0
    assert path.read_bytes().startswith(STARTS[ending])
    capsys.readouterr()


def test_heat_map_of_a_single_pair(tmp_path, capsys):
    pytest.importorskip("matplotlib")
    path = tmp_path / "map.png"
    assert run(f"plan --epsilon 8 --delta 1e-5 --dataset-size 1000 --epochs 3 --batch-size 10 --plot {path}") == 0
    assert path.stat().st_size > 5000
    capsys.readouterr()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--epochs 4..1 --batch-size 100", "argument --epochs: a range A..B must have A <= B, got '4..1'"),
        ("--epochs 0..4 --batch-size 100", "argument --epochs: must be an integer >= 1, got '0'"),
        ("--epochs 1..x --batch-size 100", "argument --epochs: must be an integer >= 1, got 'x'"),
        ("--epochs 1.5 --batch-size 100", "argument --epochs: must be an integer >= 1"),
        ("--epochs 1 --batch-size 100..2000", "--batch-size: must be between 1 and --dataset-size (1000), got 2000"),
        ("--epochs 1 --batch-size 100 --plot map.gif", "argument --plot: must end in .png, .svg, .pdf"),
        ("--epochs 1", "--batch-size"),
    ],
)
def test_plan_refuses(options, message, capsys):
    assert message in refusal(f"plan --epsilon 8 --delta 1e-5 --dataset-size 1000 {options}", capsys)


def test_a_budget_that_no_noise_meets(capsys):
    line = "plan --epsilon 0 --delta 1e-9 --dataset-size 1000 --epochs 1 --batch-size 100"
    assert "no noise multiplier up to 1e4 meets the target" in refusal(line, capsys)


# ---- plot


@pytest.mark.parametrize("ending", STARTS)
def test_picture_of_a_run(ending, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    path = tmp_path / f"run.{ending}"
    assert run(f"{PLOT} --method rdp gdp aea tilted_edgeworth --output {path}") == 0
    assert path.read_bytes().startswith(STARTS[ending])
    out = capsys.readouterr().out
    words = out.splitlines()[0].replace(",", "").split()
    epsilon, advantage = (float(words[place + 1]) for place, word in enumerate(words) if word == "<=")
    assert 0.0 <= epsilon / ea.epsilon(0.8, 0.03, 660, 1e-5) - 1.0 <= 1e-6
    assert 0.0 <= advantage / ea.delta(0.8, 0.03, 660, 0.0) - 1.0 <= 1e-4


def test_one_panel_of_a_training_setup(tmp_path, capsys):
    pytest.importorskip("matplotlib")
    path = tmp_path / "run.svg"
    setup = "--dataset-size 67349 --batch-size 2000 --epochs 20 --sigma 0.7865 --delta 1e-5"
    assert run(f"plot {setup} --panel tradeoff --adjacency replace_one -o {path}") == 0
    assert path.stat().st_size > 5000
    capsys.readouterr()


def test_series_are_the_library_s():
    steps = np.array([100, 1000])
    lower, upper = epsilon_series(1.0, 0.01, steps, 1e-5, "add_or_remove")
    assert np.array_equal(upper, ea.epsilon(1.0, 0.01, steps, 1e-5))
    assert np.all(lower <= upper)
    for method in METHODS:
        values = epsilon_series([1.0, 2.0], 0.05, 1000, 1e-5, "remove", method)
        assert values[0] == ea.epsilon(1.0, 0.05, 1000, 1e-5, adjacency="remove", method=method)
    assert np.isnan(epsilon_series(0.6, 1e-3, [100], 0.5, "add_or_remove", "edgeworth")).all()


def test_the_error_series_stops_where_an_expansion_does():
    """Too few steps: no estimate, not a wrong line."""
    errors = delta_error_series(0.6, 1e-3, 100, 0.0, "edgeworth", [0, 1])
    assert np.isnan(errors[1])
    exact = ea.delta_bounds(0.6, 1e-3, 100, 0.0)
    assert errors[0] == pytest.approx(ea.delta(0.6, 1e-3, 100, 0.0, method="edgeworth", order=0) / exact.upper - 1)


def test_tradeoff_series():
    """One Gaussian step at sigma 1: Phi(Phi^-1(1 - alpha) - 1); RDP allows more attacks, the limit law is exact."""
    normal = NormalDist()
    alpha = np.array([0.01, 0.1, 0.3, 0.6])
    exact = np.array([normal.cdf(normal.inv_cdf(1 - a) - 1.0) for a in alpha])
    lower, upper = tradeoff_series(1.0, 1.0, 1, alpha, "add_or_remove")
    assert np.all(lower <= exact + 1e-12)
    assert np.all(exact <= upper + 1e-12)
    assert np.allclose(tradeoff_series(1.0, 1.0, 1, alpha, "add_or_remove", "gdp"), exact, atol=1e-3)
    assert np.all(tradeoff_series(1.0, 1.0, 1, alpha, "add_or_remove", "rdp") < exact)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (f"{PLOT} --output run.gif", "argument --output: must end in .png, .svg, .pdf, got 'run.gif'"),
        (f"{PLOT} --output no/such/folder/run.png", "argument --output: "),
        (f"{PLOT} --output run.png --epochs 3", "give either --q and --steps, or --dataset-size"),
        ("plot --sigma 1 --q 0.1 --delta 1e-5 --output run.png", "give either --q and --steps"),
        ("plot --sigma -1 --q 0.1 --steps 3 --delta 1e-5 --output run.png", "argument --sigma: must be finite and > 0"),
        (f"{PLOT} --output run.png --method fft", "argument --method: invalid choice: 'fft'"),
        (f"{PLOT} --output run.png --panel pie", "argument --panel: invalid choice"),
        (PLOT, "--output"),
    ],
)
def test_plot_refuses(line, message, capsys):
    pytest.importorskip("matplotlib")
    assert message in refusal(line, capsys)


def test_without_matplotlib():
    code = f"""
import sys
sys.modules["matplotlib"] = None
from edgeworth_acct.cli import main
main({shlex.split(PLOT)!r} + ["--output", "run.png"])
"""
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.endswith("argument --output: needs matplotlib, pip install 'edgeworth-acct[plot]'\n")
