"""The command line: the library's numbers, rounded in the safe direction; misuse is one line and exit status 2."""

import itertools
import json
import re
import shlex
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

import edgeworth_acct as ea
from edgeworth_acct.cli import main

RUN = "--q 0.03 --steps 660 --delta 1e-5"
COMMANDS = {
    "epsilon": f"--sigma 0.8 {RUN}",
    "delta": "--sigma 0.8 --q 0.03 --steps 660 --epsilon 8",
    "sigma": f"--epsilon 8 {RUN}",
    "steps": "--epsilon 8 --sigma 0.8 --q 0.03 --delta 1e-5",
    "q": "--epsilon 8 --sigma 0.8 --steps 660 --delta 1e-5",
}
every_command = pytest.mark.parametrize("command", COMMANDS)


@pytest.fixture
def run(capsys):
    """Run a command line in this process: its exit status, standard output and standard error."""

    def run(line):
        try:
            status = main(shlex.split(line))
        except SystemExit as stop:
            status = stop.code
        return status, *capsys.readouterr()

    return run


@pytest.fixture
def report(run):
    """The JSON of a command line that succeeds."""

    def report(line):
        status, out, err = run(f"{line} --json")
        assert (status, err) == (0, "")
        return json.loads(out)

    return report


def refusal(result):
    """The single line on standard error of a command line that fails."""
    status, out, err = result
    assert (status, out) == (2, "")
    assert err.endswith("\n")
    assert err.count("\n") == 1
    return err


def test_json_has_every_digit(report):
    run = {"q": 0.03, "steps": 660}
    lower, upper = ea.epsilon_bounds(0.8, 0.03, 660, 1e-5)
    expected = {"sigma": 0.8, **run, "delta": 1e-5, "lower": lower, "upper": upper}
    assert report(f"epsilon {COMMANDS['epsilon']}")["results"] == [expected]
    lower, upper = ea.delta_bounds(0.8, 0.03, 660, 8.0)
    expected = {"sigma": 0.8, **run, "epsilon": 8.0, "lower": lower, "upper": upper}
    assert report(f"delta {COMMANDS['delta']}")["results"] == [expected]
    assert report(f"sigma {COMMANDS['sigma']}")["results"][0]["sigma"] == ea.noise_multiplier(8.0, 0.03, 660, 1e-5)
    assert report(f"steps {COMMANDS['steps']}")["results"][0]["steps"] == ea.max_steps(8.0, 0.8, 0.03, 1e-5)
    assert report(f"q {COMMANDS['q']}")["results"][0]["q"] == ea.max_sampling_rate(8.0, 0.8, 660, 1e-5)


@every_command
@pytest.mark.parametrize("adjacency", ["add_or_remove", "add", "remove", "replace_one"])
def test_every_report_states_its_assumptions(run, report, command, adjacency):
    line = f"{command} {COMMANDS[command]} --adjacency {adjacency}"
    facts = report(line)
    assert facts["command"] == command
    assert facts["adjacency"] == adjacency
    assert facts["version"] == ea.__version__
    status, out, _ = run(line)
    assert status == 0
    assert out.splitlines()[-1] == facts["assumptions"]
    for word in ("Poisson", "clip", "sigma * C"):
        assert word in facts["assumptions"]


def test_printed_numbers_are_on_the_safe_side(run, report):
    for command in ("epsilon", "delta"):
        line = f"{command} {COMMANDS[command]}"
        exact = report(line)["results"][0]
        first, second, _ = run(line)[1].splitlines()
        publish = re.match(rf"{command} <= (\S+) ", first)[1]
        assert Decimal(publish) >= Decimal(exact["upper"])
        assert float(publish) == pytest.approx(exact["upper"], rel=1e-6)
        lower, upper = map(Decimal, re.search(r"\[(.*), (.*)\]", second).groups())
        assert lower <= Decimal(exact["lower"])
        assert Decimal(exact["upper"]) <= upper
        assert float(upper - lower) <= exact["upper"] - exact["lower"] + 2e-10 * exact["upper"]
    for command, sign in (("sigma", 1), ("q", -1), ("steps", 0)):
        line = f"{command} {COMMANDS[command]}"
        exact = report(line)["results"][0][command]
        printed = re.match(rf"{command} = (\S+) ", run(line)[1])[1]
        assert sign * Decimal(printed) >= sign * Decimal(exact)
        assert float(printed) == pytest.approx(exact, rel=2e-7)


def test_a_printed_calibration_still_meets_its_target(run):
    sigma = float(re.match(r"sigma = (\S+) ", run(f"sigma {COMMANDS['sigma']}")[1])[1])
    assert ea.epsilon(sigma, 0.03, 660, 1e-5) <= 8.0
    q = float(re.match(r"q = (\S+) ", run(f"q {COMMANDS['q']}")[1])[1])
    assert ea.epsilon(0.8, q, 660, 1e-5) <= 8.0


def test_several_values_make_a_table(run, report):
    line = "epsilon --sigma 0.8 1 --q 0.03 --steps 100 660 1e4 --delta 1e-5 1e-6"
    rows = report(line)["results"]
    points = itertools.product([0.8, 1.0], [0.03], [100, 660, 10000], [1e-5, 1e-6])
    assert [tuple(row[name] for name in ("sigma", "q", "steps", "delta")) for row in rows] == list(points)
    for row in rows:
        inputs = {name: row[name] for name in ("sigma", "q", "steps", "delta")}
        assert ea.Bounds(row["lower"], row["upper"]) == ea.epsilon_bounds(**inputs)
    head, *body, _ = run(line)[1].splitlines()
    assert re.split(r"\s{2,}", head.strip()) == ["sigma", "q", "steps", "delta", "epsilon >=", "epsilon <="]
    assert len({len(text) for text in (head, *body)}) == 1
    for text, row in zip(body, rows, strict=True):
        *inputs, lower, upper = text.split()
        assert [float(value) for value in inputs] == [row[name] for name in ("sigma", "q", "steps", "delta")]
        assert Decimal(lower) <= Decimal(row["lower"])
        assert Decimal(row["upper"]) <= Decimal(upper)


def test_training_set_up_stands_for_q_and_steps(report):
    setup = "--dataset-size 67349 --batch-size 2000"
    for command, rest in (("epsilon", "--sigma 0.8 --delta 1e-5"), ("delta", "--sigma 0.8 --epsilon 8")):
        row = report(f"{command} {rest} {setup} --epochs 20")["results"][0]
        direct = report(f"{command} {rest} --q {2000 / 67349!r} --steps 660")["results"][0]
        assert direct.items() <= row.items()
        assert {"dataset_size": 67349, "batch_size": 2000, "epochs": 20}.items() <= row.items()
    row = report(f"sigma --epsilon 8 --delta 1e-5 {setup} --epochs 20")["results"][0]
    assert row["sigma"] == ea.noise_multiplier(8.0, 2000 / 67349, 660, 1e-5)
    row = report(f"steps --epsilon 8 --sigma 0.8 --delta 1e-5 {setup}")["results"][0]
    assert row["steps"] == ea.max_steps(8.0, 0.8, 2000 / 67349, 1e-5)


@pytest.mark.parametrize("command", ["epsilon", "delta", "sigma"])
@pytest.mark.parametrize("method", ["edgeworth", "tilted_edgeworth", "rdp", "gdp"])
def test_other_methods_say_what_they_are(run, report, command, method):
    line = f"{command} {COMMANDS[command]} --method {method}"
    found = report(line)
    (row,) = found["results"]
    names = {"sigma", "q", "steps", "delta", "epsilon"} - {command}
    keywords = {name: row[name] for name in names if name in row}
    function = {"epsilon": ea.epsilon, "delta": ea.delta, "sigma": ea.noise_multiplier}[command]
    assert row[command] == function(**keywords, method=method)
    assert ("estimate, not a guarantee" in found["kind"]) is (method != "rdp")
    status, out, _ = run(line)
    assert status == 0
    assert f"method {method}: {found['kind']}" in out
    assert ("~" in out) is (method != "rdp")
    assert "safe to publish" not in out


def test_order_of_an_expansion(report):
    line = f"epsilon {COMMANDS['epsilon']} --method edgeworth"
    one, three = (report(f"{line} --order {order}")["results"][0]["epsilon"] for order in (1, 3))
    assert report(line)["results"][0]["epsilon"] == one != three


def test_negative_epsilon(report):
    rows = report("delta --sigma 1 --q 0.01 --steps 10 --epsilon -1 -0.001 0 1")["results"]
    assert [row["epsilon"] for row in rows] == [-1.0, -0.001, 0.0, 1.0]


@every_command
@pytest.mark.parametrize(
    ("option", "allowed", "outside"),
    [
        ("sigma", "finite and > 0", ["-1", "0", "1e400"]),
        ("q", "in (0, 1]", ["-1", "0", "1.5"]),
        ("steps", "an integer >= 1", ["-1", "0", "1.5", "1e30", str(2**63)]),
        ("delta", "in (0, 1)", ["-1", "0", "1", "1.5"]),
        ("epsilon", "finite", ["-1e400"]),
        ("epsilon", "finite and >= 0", ["-1", "-1e-9"]),
    ],
)
def test_bad_value_names_the_option_and_its_range(run, command, option, allowed, outside):
    if f"--{option} " not in COMMANDS[command] or (command == "delta" and allowed == "finite and >= 0"):
        pytest.skip("not an option here, or good")
    for value in (*outside, "x", "", "nan", "inf", "-inf", "1j", "0x1"):
        line = re.sub(rf"--{option} \S+", f"--{option}={shlex.quote(value)}", COMMANDS[command])
        assert f"argument --{option}: must be {allowed}" in refusal(run(f"{command} {line}"))


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("", "required: COMMAND"),
        ("nonsense", "invalid choice: 'nonsense'"),
        ("epsilon", "required: --sigma, --delta"),
        ("epsilon --sigma 1 --delta 1e-5", "give either --q and --steps, or --dataset-size and --batch-size and"),
        ("epsilon --sigma 1 --delta 1e-5 --q 0.1", "give either --q and --steps, or"),
        (f"epsilon --sigma 1 {RUN} --epochs 3", "give either --q and --steps, or"),
        ("epsilon --sigma 1 --delta 1e-5 --dataset-size 10 --batch-size 5", "give either --q and --steps, or"),
        ("steps --sigma 1 --epsilon 1 --delta 1e-5", "give either --q, or --dataset-size and --batch-size"),
        ("steps --sigma 1 --epsilon 1 --delta 1e-5 --q 0.1 --epochs 3", "unrecognized arguments: --epochs"),
        (
            "epsilon --sigma 1 --delta 1e-5 --dataset-size 10 --batch-size 11 --epochs 1",
            "--batch-size: must be between 1 and --dataset-size (10), got 11",
        ),
        (
            "epsilon --sigma 1 --delta 1e-5 --dataset-size 10 --batch-size 0 --epochs 1",
            "argument --batch-size: must be an integer >= 1, got '0'",
        ),
        (f"epsilon --sigma 1 {RUN} --adjacency other", "argument --adjacency: invalid choice: 'other'"),
        (f"epsilon --sig 1 {RUN}", "required: --sigma"),
        (f"epsilon --sigma {RUN}", "argument --sigma: expected at least one argument"),
        (f"epsilon --sigma 1 {RUN} --json extra", "unrecognized arguments: extra"),
        (f"epsilon --sigma 0.001 {RUN}", "sigma in [0.1, 1e4]"),
        (f"epsilon --sigma 1 {RUN} --order 2", "--order belongs to --method edgeworth or tilted_edgeworth"),
        (f"epsilon --sigma 1 {RUN} --method edgeworth --order -1", "order"),
        (f"epsilon --sigma 1 {RUN} --method exact", "argument --method: invalid choice: 'exact'"),
        ("steps --epsilon 0.01 --sigma 0.2 --q 0.5 --delta 1e-5", "not even a single step meets the target"),
    ],
)
def test_misuse_is_one_line(run, line, what):
    assert what in refusal(run(line))


def test_help_teaches(run, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)  # an example draws a picture
    status, out, err = run("--help")
    assert (status, err) == (0, "")
    examples = [line.strip() for line in out.splitlines() if line.strip().startswith("edgeworth-acct ")]
    assert len(examples) >= 5
    for example in examples:
        assert run(example.removeprefix("edgeworth-acct "))[0] == 0
    for command in COMMANDS:
        assert f"    {command} " in out
        status, text, _ = run(f"{command} --help")
        assert status == 0
        assert "Poisson" in text


def test_version(run):
    assert run("--version") == (0, f"edgeworth-acct {ea.__version__}\n", "")


@pytest.mark.parametrize(
    "program",
    [[str(Path(sys.executable).with_name("edgeworth-acct"))], [sys.executable, "-I", "-m", "edgeworth_acct"]],
    ids=["script", "module"],
)
def test_as_a_program(program):
    good = subprocess.run([*program, "epsilon", *COMMANDS["epsilon"].split()], capture_output=True, text=True)
    assert good.returncode == 0
    assert good.stdout.startswith("epsilon <= ")
    bad = subprocess.run([*program, "epsilon", "--sigma", "-1"], capture_output=True, text=True)
    assert (bad.returncode, bad.stdout, bad.stderr.count("\n")) == (2, "", 1)
    assert "--sigma" in bad.stderr
