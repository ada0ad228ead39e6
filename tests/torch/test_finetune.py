"""`edgeworth-finetune` end to end on a tiny random BERT and 200 rows: train, kill, resume, verify; what it leaves."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from torch_text import sst2_folder, tiny_bert, tiny_gpt2, write_tsv

from edgeworth_acct import epsilon_bounds, verify
from edgeworth_acct.torch_adapter import DPPlan
from edgeworth_acct.torch_adapter.finetune import main
from edgeworth_acct.torch_adapter.losses import sequence_classification
from edgeworth_acct.torch_adapter.methods import ready
from edgeworth_acct.torch_adapter.pretrained import model_for, tokenizer_for
from edgeworth_acct.torch_adapter.tasks import TASKS

OUTPUTS = ["MODEL_CARD.md", "certificate.json", "config.yaml", "curves.png", "metrics.json", "metrics.jsonl", "model"]
OUTPUTS += ["plan.json"]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finetune")
    tiny_bert(folder / "bert")
    sst2_folder(folder / "data")
    return folder


def options(place, output, **changed):
    given = {"task": "sst2", "model": place / "bert", "data": place / "data", "epsilon": 2, "delta": 1e-3}
    given |= {"batch-size": 40, "steps": 6, "lr": 0.01, "max-length": 16, "output": output, **changed}
    pairs = [(f"--{name}", value) for name, value in given.items() if value is not None]
    return [str(part) for name, value in pairs for part in ((name,) if value is True else (name, value))]


def checked(folder, by_other_means=True):
    """What the run was, from its certificate, with epsilon recomputed from its own numbers."""
    certificate = json.loads((folder / "certificate.json").read_text())
    assert not by_other_means or verify(certificate)
    run = certificate["notes"]["training"]
    steps = run["released_steps"]
    bounds = epsilon_bounds(run["sigma"], run["q"], steps, run["delta"])
    assert [*bounds] == run["epsilon_bounds"]
    assert run["noise"].startswith("secret")
    assert certificate["mechanisms"][0]["count"] == steps
    return {**run, "steps": steps, "epsilon": bounds.upper}


@pytest.mark.parametrize("method", ["full", "head", "lora", "rgp"])
def test_every_method_leaves_a_plain_model_and_its_proof(place, tmp_path, method, capsys):
    folder = tmp_path / "run"
    assert main([*options(place, folder, method=method, **{"evaluate-every": 2}), "--no-progress"]) == 0
    assert sorted(path.name for path in folder.iterdir()) == OUTPUTS
    certificate = checked(folder)
    assert certificate["steps"] == 6
    assert 1.999 < certificate["epsilon"] <= 2.0
    assert certificate["q"] == 0.2
    assert DPPlan.from_json((folder / "plan.json").read_text()).epsilon == certificate["epsilon"]
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [2, 4, 6]
    assert lines[0]["epsilon"] < lines[1]["epsilon"] < lines[2]["epsilon"] == certificate["epsilon"]
    final = json.loads((folder / "metrics.json").read_text())
    assert final["accuracy"] == lines[-1]["accuracy"]
    assert final["method"] == method
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    model = AutoModelForSequenceClassification.from_pretrained(folder / "model").eval()
    assert not [name for name in model.state_dict() if "lora" in name or "carriers" in name]
    words = AutoTokenizer.from_pretrained(folder / "model")
    rows = [line.split("\t") for line in (place / "data" / "sst2_dev.tsv").read_text().splitlines()[1:]]
    batch = words([row[0] for row in rows], padding=True, return_tensors="pt")
    with torch.no_grad():
        right = model(**batch).logits.argmax(1) == torch.tensor([int(row[1]) for row in rows])
    assert float(right.double().mean()) == pytest.approx(final["accuracy"], abs=0.02)  # rounding at ties
    assert model.config.id2label == {0: "negative", 1: "positive"}
    assert "sigma" in capsys.readouterr().out


@pytest.mark.parametrize("method", ["full", "head", "lora", "rgp"])
def test_mean_pooling_leaves_a_model_of_its_own_kind(place, tmp_path, method):
    folder = tmp_path / "run"
    assert main([*options(place, folder, method=method, pooling="mean", dropout=0.0), "--no-progress"]) == 0
    checked(folder)
    from transformers import AutoTokenizer

    from edgeworth_acct.torch_adapter.pooled import MeanPooledClassifier

    words = AutoTokenizer.from_pretrained(folder / "model")
    model = MeanPooledClassifier.load(folder / "model").eval()
    assert not [name for name in model.state_dict() if "lora" in name or "pooler" in name]
    short = words(["a dull"], return_tensors="pt")
    padded = words(["a dull", "a fine a fine"], padding=True, return_tensors="pt")
    with torch.no_grad():
        alone, beside = model(**short).logits[0], model(**padded).logits[0]
        vectors = model.encoder(**short).last_hidden_state[0]
    torch.testing.assert_close(beside, alone)
    embedding = vectors.mean(0) / vectors.mean(0).norm()
    expected = embedding @ model.classifier.weight.T + model.classifier.bias
    torch.testing.assert_close(alone, expected.detach())
    assert "MeanPooledClassifier.load" in (folder / "MODEL_CARD.md").read_text()


@pytest.mark.parametrize("method", ["full", "lora", "rgp"])
def test_the_head_has_a_learning_rate_of_its_own(place, tmp_path, method):
    task, rank = TASKS["sst2"], 1 if method == "rgp" else 4
    words = tokenizer_for(task, place / "bert")
    trainee = ready(model_for(task, place / "bert", words, 16), method, rank=rank, biases=method == "lora")
    body, head = trainee.groups(1e-3, 0.1)
    assert [body["lr"], head["lr"]] == [1e-3, 0.1]
    assert sorted(p.numel() for p in head["params"]) == [2, 32]  # 2 classes of 16 features
    names = {id(p): name for name, p in trainee.model.named_parameters()}
    assert all("classifier" in names[id(p)] for p in head["params"])
    assert not any("classifier" in names[id(p)] for p in body["params"])
    one = trainee.groups(1e-3)
    assert [len(group["params"]) for group in one] == [len(body["params"]) + len(head["params"])]
    biases = [names[id(p)] for p in body["params"] if names[id(p)].endswith("query.base_layer.bias")]
    assert len(biases) == (2 if method == "lora" else 0)


def test_label_smoothing_spreads_the_label():
    logits, labels = torch.tensor([[2.0, 0.0], [0.5, -1.0]]), torch.tensor([0, 1])
    losses = sequence_classification(logits, {"labels": labels}, label_smoothing=0.2)
    logs = logits.log_softmax(1)
    torch.testing.assert_close(losses, -(0.9 * logs[[0, 1], labels] + 0.1 * logs[[0, 1], 1 - labels]))


@pytest.mark.parametrize("method", ["full", "lora", "rgp"])
def test_every_method_learns_where_noise_is_small(place, tmp_path, method):
    given = {"method": method, "epsilon": 300, "batch-size": 100, "steps": 80, "evaluate-every": 10, "lr": 0.01}
    assert main([*options(place, tmp_path / "run", **given), "--no-progress"]) == 0
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert max(line["accuracy"] for line in lines) >= 0.75  # 45 of 60


def test_the_card_states_a_claim_that_can_be_checked(place, tmp_path):
    folder = tmp_path / "run"
    assert main([*options(place, folder, delta=0.0012), "--no-progress"]) == 0
    text = (folder / "MODEL_CARD.md").read_text()
    certificate = checked(folder)
    assert "| accuracy | " in text
    assert "| loss_not_private" not in text
    assert str(tmp_path) not in text  # nobody else's business
    assert str(place) not in text
    assert 'AutoModelForSequenceClassification.from_pretrained("model")' in text
    paragraph = next(part for part in text.split("\n\n") if part.startswith("The weights in this folder"))
    for word in (
        "0.0012)-differentially private",
        "one training record",
        "add_or_remove",
        "Poisson sampling",
        "200 of them",
        "q = 0.2",
        f"{certificate['sigma']:.10g} times",
        "Not covered: the choice of hyper-parameters",
        "pretrained on",
    ):
        assert word in paragraph, word
    stated = float(paragraph.split("are (")[1].split(",")[0])
    assert certificate["epsilon"] <= stated <= certificate["epsilon"] + 1e-6
    command = paragraph.split("`edgeworth-acct ")[1].split("`")[0].split()
    command = [sys.executable, "-m", "edgeworth_acct", *command, "--json"]
    run = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=True)
    assert json.loads(run.stdout)["results"][0]["upper"] == certificate["epsilon"]
    assert (folder / "curves.png").read_bytes().startswith(b"\x89PNG")


DRIVER = """
import sys
import torch
from edgeworth_acct.torch_adapter import training
from edgeworth_acct.torch_adapter.finetune import main
from edgeworth_acct.torch_adapter.losses import sequence_classification
from edgeworth_acct.torch_adapter.methods import ready
from edgeworth_acct.torch_adapter.pretrained import model_for, tokenizer_for
from edgeworth_acct.torch_adapter.tasks import TASKS
torch.set_num_threads(1)
before = training.Bar.update
def waiting(bar, run):
    before(bar, run)
    if run.step == 7:
        print("step 7", flush=True)
        sys.stdin.readline()
training.Bar.update = waiting
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_killed_or_interrupted_and_resumed(place, tmp_path, how):
    folder, steps = tmp_path / "run", {"steps": 12, "evaluate-every": 5, "method": "rgp"}
    command = [sys.executable, "-I", "-c", DRIVER, *options(place, folder, **steps), "--no-progress"]
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    process = subprocess.Popen(command, **pipes, text=True)
    while not process.stdout.readline().startswith("step 7"):
        assert process.poll() is None
    process.send_signal(how)
    _, errors = process.communicate("\n", timeout=60)
    assert process.returncode == (130 if how == signal.SIGINT else -signal.SIGKILL)
    assert ("interrupted" in errors) == (how == signal.SIGINT)
    assert not (folder / "metrics.json").exists()
    charged = json.loads((folder / "checkpoint" / "certificate.json").read_text())
    assert charged["notes"]["training"]["released_steps"] >= 7
    assert main(options(place, folder, **steps)) == 2  # not without --resume
    assert main(["--output", str(folder), "--resume", "--no-progress"]) == 0
    assert checked(folder)["steps"] == 12
    lines = [json.loads(line)["step"] for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert lines == [5, 10, 12]
    assert not (folder / "checkpoint").exists()


def test_a_resumed_run_must_stay_what_it_was(place, tmp_path, capsys):
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "config.yaml").write_text(yaml.safe_dump({"clip": 1.0, "lr": 0.01}))
    assert main([*options(place, folder, clip=2.0), "--resume"]) == 2
    assert "clip must stay 1.0 in a resumed run, got 2.0" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["yaml", "toml"])
def test_options_from_a_file(place, tmp_path, kind, capsys):
    file = tmp_path / f"run.{kind}"
    equals = ": " if kind == "yaml" else " = "
    values = {"task": '"sst2"', "model": f'"{place / "bert"}"', "data": f'"{place / "data"}"', "epsilon": "8.0"}
    values |= {"delta": "1e-3", "batch-size": "40", "steps": "6", "max_length": "16"}
    file.write_text("".join(f"{key}{equals}{value}\n" for key, value in values.items()))
    assert main(["--config", str(file), "--output", str(tmp_path / "run"), "--steps", "5", "--dry-run"]) == 0
    assert "logical steps                   5\n" in capsys.readouterr().out
    assert not (tmp_path / "run").exists()


def test_a_dry_run_prints_the_plan_and_what_it_takes(place, tmp_path, capsys):
    assert main([*options(place, tmp_path / "run", method="head"), "--dry-run"]) == 0
    shown = capsys.readouterr().out
    for word in ("q = 0.2", "logical steps                   6", "sigma", "epsilon, certified", "estimated time"):
        assert word in shown
    assert "34 of 5282 parameters are trained" in shown  # the classifier: 2 x (16 + 1)
    assert "estimated memory" in shown
    assert not (tmp_path / "run").exists()


def test_an_estimate_needs_a_word_and_is_certified_all_the_same(place, tmp_path, capsys):
    folder = tmp_path / "run"
    given = options(place, folder, accountant="edgeworth", steps=60, epsilon=8, **{"batch-size": 6, "method": "head"})
    assert main(given) == 2
    assert "--i-know-this-is-an-estimate" in capsys.readouterr().err
    assert main([*given, "--i-know-this-is-an-estimate", "--no-progress"]) == 0
    assert checked(folder, False)["epsilon"] > 8.0
    assert "costs epsilon" in capsys.readouterr().err
    assert "That was an estimate: the true cost is" in (folder / "MODEL_CARD.md").read_text()
    assert main(options(place, tmp_path / "rdp", accountant="rdp", method="head")) == 0
    assert checked(tmp_path / "rdp", False)["epsilon"] < 8.0


def test_noise_as_given(place, tmp_path, capsys):
    given = options(place, tmp_path / "run", sigma=0.5, method="head")
    assert main(given) == 2
    assert "sigma must be large enough for epsilon 2.0, 0.5 costs 9." in capsys.readouterr().err
    assert main([*given, "--i-know-this-is-an-estimate", "--no-progress"]) == 0
    assert checked(tmp_path / "run", False)["sigma"] == 0.5
    assert "The noise multiplier was given" in (tmp_path / "run" / "MODEL_CARD.md").read_text()


def test_text_generation(tmp_path):
    tiny_gpt2(tmp_path / "gpt2")
    rows = [(f"name [ {word} ]", f"the place {word}") for word in ("fine", "great", "dull", "poor")]
    write_tsv(tmp_path / "data" / "e2e_train.tsv", ("mr", "ref"), rows * 30)
    write_tsv(tmp_path / "data" / "e2e_dev.tsv", ("mr", "ref"), [*rows, ("name [ fine ]", "a fine place")])
    given = {"task": "e2e", "model": tmp_path / "gpt2", "lr": 0.01, "evaluate-every": 1, "steps": 40, "epsilon": 99}
    assert main([*options(tmp_path, tmp_path / "run", **given), "--no-progress"]) == 0
    first, *_, last = (json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines())
    assert last["eval_loss"] < first["eval_loss"] - 0.5
    assert 0.0 <= last["bleu"] <= 100.0
    assert checked(tmp_path / "run", False)["steps"] == 40


def test_a_failed_checkpoint_does_not_cost_the_previous_one(place, tmp_path, monkeypatch, capsys):
    """A full disk."""
    from edgeworth_acct.torch_adapter import checkpoint

    whole, count = os.fsync, []

    def full(descriptor):
        count.append(descriptor)
        if len(count) > 30:
            raise OSError(28, "No space left on device")
        whole(descriptor)

    folder = tmp_path / "run"
    monkeypatch.setattr(checkpoint.os, "fsync", full)
    assert main([*options(place, folder, steps=20), "--no-progress"]) == 1
    assert "No space left on device" in capsys.readouterr().err
    monkeypatch.undo()
    checkpoint.load(folder / "checkpoint" / "checkpoint.bin")
    assert main(["--output", str(folder), "--resume", "--no-progress"]) == 0
    assert checked(folder)["steps"] == 20


def test_the_command_is_installed():
    command = Path(sys.executable).with_name("edgeworth-finetune")
    shown = subprocess.run([command, "--help"], capture_output=True, text=True, check=True).stdout
    assert "--i-know-this-is-an-estimate" in shown
