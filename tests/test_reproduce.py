"""`edgeworth-acct reproduce ew-tune`: published figures, and the truth beside them.

Kind of truth: other algorithm, more digits (30-digit evaluation; the same values as in test_reference.py).
"""

import json

import pytest

from edgeworth_acct import published, reproduce
from edgeworth_acct.cli import main

TRUE = {  # (task, delta): true epsilon of the published Edgeworth noise, smallest honest sigma
    ("MNLI", 1e-5): ("9.1401", "0.578560"),
    ("MNLI", 1e-6): ("9.5998", "0.604481"),
    ("QQP", 1e-5): ("9.0950", "0.584752"),
    ("QQP", 1e-6): ("9.5398", "0.611128"),
    ("QNLI", 1e-5): ("8.4587", "0.725917"),
    ("QNLI", 1e-6): ("8.7116", "0.764149"),
    ("SST-2", 1e-5): ("8.2891", "0.798198"),
    ("SST-2", 1e-4): ("8.0240", "0.747888"),
}


@pytest.fixture(scope="module")
def report():
    return reproduce.ew_tune()


def test_every_published_run_and_the_truth(report):
    rows = {(row["task"], row["delta"]): row for row in report["runs"]}
    assert rows.keys() == TRUE.keys()
    for key, (epsilon, sigma) in TRUE.items():
        row = rows[key]
        assert f"{row['true_edgeworth_lower']:.4f}" == f"{row['true_edgeworth_upper']:.4f}" == epsilon
        assert f"{row['sigma_honest']:.6f}" == sigma
        assert row["estimate_edgeworth"] < published.TARGET < row["true_edgeworth_lower"]
        assert row["true_rdp_upper"] < row["true_fft_upper"] < published.TARGET
    savings = [[round(100 * row[f"saving_{name}"], 1) for row in report["runs"]] for name in ("rdp", "fft")]
    assert [(min(values), max(values)) for values in savings] == [(7.0, 9.9), (0.4, 2.3)]


def test_published_epsilons_are_reproduced(report):
    for row in (*report["edgeworth"], *report["rdp"]):
        assert abs(row["computed"] - row["published"]) <= 1e-9 * row["published"]
    assert all(row["true_upper"] < row["best_order"] < row["computed"] for row in report["rdp"])
    assert all(row["true_upper"] < row["published"] for row in report["fft"])


def test_json(report, capsys):
    assert main(["reproduce", "ew-tune", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(json.dumps(report))


def test_table_says_what_the_estimate_is(capsys):
    assert main(["reproduce", "ew-tune"]) == 0
    text = capsys.readouterr().out
    assert "It certifies nothing; epsilon is larger." in text
    assert all(sigma in text and epsilon in text for epsilon, sigma in TRUE.values())


@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
def test_plot(ending, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    path = tmp_path / f"figure.{ending}"
    assert main(["reproduce", "ew-tune", "--plot", str(path)]) == 0
    assert path.read_bytes().startswith({"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}[ending])
    capsys.readouterr()


@pytest.mark.parametrize("path", ["figure.gif", "no/such/folder/figure.png"])
def test_a_plot_that_cannot_be_drawn(path, capsys):
    pytest.importorskip("matplotlib")
    with pytest.raises(SystemExit) as stop:
        main(["reproduce", "ew-tune", "--plot", path])
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "argument --plot: " in error


def test_refuses_unknown_publications(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["reproduce", "another"])
    assert stop.value.code == 2
    assert "ew-tune" in capsys.readouterr().err
