"""The scripts in benchmarks/ that fine-tune, on tiny models: EW-Tune's runs on its four tasks; the table of runs."""

import json
import runpy
from pathlib import Path

import pytest
from torch_text import GOOD, sst2_folder, tiny_roberta, write_tsv

from edgeworth_acct import epsilon_bounds, noise_multiplier, published
from edgeworth_acct.torch_adapter.options import parse
from edgeworth_acct.torch_adapter.tasks import TASKS

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def ewtune():
    return runpy.run_path(str(BENCHMARKS / "ewtune" / "run.py"))


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A tiny RoBERTa, and the four tasks in four layouts."""
    folder = tmp_path_factory.mktemp("ewtune")
    tiny_roberta(folder / "roberta")
    sst2_folder(folder / "sst2", rows=120)
    rows = [(f"a {word} film", "the plot ?", k) for k, word in enumerate(GOOD * 40)]
    qqp = [(k, 1, 2, one, two, k % 2) for one, two, k in rows]
    qnli = [(k, one, two, ("entailment", "not_entailment")[k % 2]) for one, two, k in rows]
    mnli = [(one, two, k % 3) for one, two, k in rows]
    for split in ("train", "dev"):
        write_tsv(
            folder / "qqp" / f"{split}.tsv", ("id", "qid1", "qid2", "question1", "question2", "is_duplicate"), qqp
        )
        write_tsv(folder / "qnli" / "QNLI" / f"{split}.tsv", ("index", "question", "sentence", "label"), qnli)
    datasets = pytest.importorskip("datasets")
    columns = dict(zip(("premise", "hypothesis", "label"), map(list, zip(*mnli))))
    names = ("train", "validation_matched", "validation_mismatched")
    datasets.DatasetDict({name: datasets.Dataset.from_dict(columns) for name in names}).save_to_disk(folder / "mnli")
    return folder


@pytest.mark.parametrize("noise", ["honest", "published"])
@pytest.mark.parametrize("task", ["sst2", "qnli", "qqp", "mnli"])
def test_ewtunes_runs_on_its_four_tasks(ewtune, place, tmp_path, task, noise):
    given = ["--task", task, "--delta", "1e-5", "--noise", noise, "--model", place / "roberta", "--data", place / task]
    small = ["--batch-size", "20", "--epochs", "1", "--max-length", "16", "--no-progress"]
    assert ewtune["main"]([*map(str, given), "--output", str(tmp_path / "run"), "--", *small]) == 0
    certificate = json.loads((tmp_path / "run" / "certificate.json").read_text())["notes"]["training"]
    assert certificate["released_steps"] == 6
    assert certificate["clip"] == 10.0
    sigma = published.NOISE[published.Run(ewtune["TASKS"][task], 1e-5)][0]
    assert (certificate["sigma"] == sigma) == (noise == "published")
    bounds = epsilon_bounds(certificate["sigma"], certificate["q"], 6, 1e-5)
    assert [*bounds] == certificate["epsilon_bounds"]
    assert bounds.upper <= 8.0 or noise == "published"
    figures = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert len([name for name in figures if name.startswith("accuracy")]) == len(TASKS[task].evaluation)


@pytest.mark.parametrize("run", published.NOISE, ids=lambda run: f"{run.task}-{run.delta:g}")
def test_settings_are_the_published_ones(ewtune, run):
    task = {name: key for key, name in ewtune["TASKS"].items()}[run.task]
    places = ["--model", "x", "--data", "y", "--output", "z"]
    options = parse([*ewtune["arguments"](task, run.delta, "published"), *places])
    assert (options.batch_size, options.epochs, options.rank, options.clip, options.lr) == (2000, 20, 1, 10, 3e-4)
    assert options.sigma == published.NOISE[run][0]
    assert epsilon_bounds(options.sigma, run.q, run.steps, run.delta).lower > 8.0
    honest = parse([*ewtune["arguments"](task, run.delta, "honest"), *places])
    assert honest.sigma is None
    assert noise_multiplier(honest.epsilon, run.q, run.steps, honest.delta) > options.sigma


def test_a_run_that_was_not_published(ewtune):
    with pytest.raises(ValueError, match=r"delta must be one of 1e-05, 0\.0001 for sst2"):
        ewtune["arguments"]("sst2", 1e-6, "honest")


def test_every_arm_of_the_glue_benchmark_is_a_valid_run():
    script = runpy.run_path(str(BENCHMARKS / "glue.py"))
    arms = script["arms"]()
    for name, arm in arms.items():
        given = {**arm, "model": "x", "data": "y", "output": "z"}
        assert parse(script["flags"](given)).task == name.split("-")[0]
    assert {name.split("-")[1] for name in arms if name.startswith("sst2")} == {"full", "lora", "rgp", "head"}


def test_the_table_is_made_from_the_files_of_runs(tmp_path):
    run = {"n": 67349, "q": 0.0152, "released_steps": 195, "sigma": 0.61234, "delta": 1e-5}
    certificate = {"notes": {"training": {**run, "epsilon_bounds": [7.9, 7.99991]}}}
    for seed, accuracy in enumerate((0.82, 0.84)):
        folder = tmp_path / f"sst2-lora-8-seed{seed}"
        folder.mkdir()
        (folder / "metrics.json").write_text(json.dumps({"accuracy": accuracy}))
        (folder / "certificate.json").write_text(json.dumps(certificate))
    script = runpy.run_path(str(BENCHMARKS / "glue.py"))
    table = script["table"](tmp_path)
    row = "| sst2-lora-8 | 2 | 67349 | 0.01520 | 195 | 0.6123 | 8.0000 | 1e-05 | 83.00 | 2.00 |"
    assert table.splitlines()[2:] == [row]
    assert script["accuracies"](tmp_path) == {"sst2-lora-8": (7.99991, [82.0, 84.0])}
    script["plot"](tmp_path, tmp_path / "picture.png")
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")
