"""Every layout of data that the fine-tuning command reads, and what it says of bad input before anything is trained."""

import json
from pathlib import Path

import pytest
from torch_text import SPECIAL, sentiment, sst2_folder, tiny_bert, tiny_gpt2, tokenizer, write_tsv

from edgeworth_acct.torch_adapter.data import load, read_tsv
from edgeworth_acct.torch_adapter.encoding import Encoded, collator
from edgeworth_acct.torch_adapter.finetune import main
from edgeworth_acct.torch_adapter.tasks import TASKS

GLUE = Path(__file__).resolve().parents[3] / "shared" / "data" / "glue"
PAIRS = [("a film ?", 'the "plot"', k % 3) for k in range(6)]


def test_files_named_by_task(tmp_path):
    data = load(TASKS["sst2"], sst2_folder(tmp_path))
    assert len(data.train) == 200
    assert data.train == [((text,), label) for text, label in sentiment(200)]
    assert data.evaluation.keys() == {"dev"}
    write_tsv(
        tmp_path / "mnli_train_partial.tsv", ("premise", "hypothesis", "label", "source"), [(*p, "x") for p in PAIRS]
    )
    for split in ("matched", "mismatched"):
        write_tsv(tmp_path / f"mnli_dev_{split}.tsv", ("premise", "hypothesis", "label"), PAIRS[:2], packed=True)
    data = load(TASKS["mnli"], tmp_path)
    assert data.train[2] == (("a film ?", 'the "plot"'), 2)
    assert list(data.evaluation) == ["matched", "mismatched"]


NAMES = {
    "qnli": ("index", "question", "sentence", "label"),
    "qqp": ("id", "question1", "question2", "is_duplicate"),
    "mnli": ("index", "sentence1", "sentence2", "gold_label"),
}


@pytest.mark.parametrize("inside", [True, False])
@pytest.mark.parametrize("name", NAMES)
def test_glues_own_layout(tmp_path, name, inside):
    task = TASKS[name]
    root = tmp_path / task.folder if inside else tmp_path
    rows = [(k, "a ?", "the film", task.classes[k % len(task.classes)]) for k in range(6)]
    if name == "qqp":
        rows = [(*row[:3], k % 2) for k, row in enumerate(rows)]
    write_tsv(root / "train.tsv", NAMES[name], [*rows, (7, "cut")])
    for names in task.evaluation.values():
        write_tsv(root / f"{names[0]}.tsv", NAMES[name], rows[:3])
    data = load(task, tmp_path)
    assert data.dropped == 1
    assert [label for _, label in data.train] == [k % len(task.classes) for k in range(6)]
    assert data.train[0][0] == ("a ?", "the film")
    assert len(data.evaluation) == len(task.evaluation)


def test_a_saved_hugging_face_data_set(tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets")
    rows = {"sentence": ["fine", "dull"], "label": [1, 0], "idx": [0, 1]}
    splits = datasets.DatasetDict({name: datasets.Dataset.from_dict(rows) for name in ("train", "validation")})
    splits.save_to_disk(str(tmp_path / "saved"))
    data = load(TASKS["sst2"], str(tmp_path / "saved"))
    assert data.train == data.evaluation["dev"] == [(("fine",), 1), (("dull",), 0)]
    asked = []
    monkeypatch.setattr(datasets, "load_dataset", lambda *names: asked.append(names) or splits)
    assert load(TASKS["sst2"], "nyu-mll/glue").train == data.train
    assert load(TASKS["sst2"], "somebody/sentiment").train == data.train
    assert asked == [("nyu-mll/glue", "sst2"), ("somebody/sentiment",)]
    with pytest.raises(ValueError, match="must have a column premise or sentence1"):
        load(TASKS["mnli"], str(tmp_path / "saved"))


@pytest.mark.skipif(not GLUE.exists(), reason="needs ../shared")
def test_the_shared_files():
    sizes = {"sst2": (67_349, 872), "qnli": (2_000, 5_463), "qqp": (12_211, 40_430), "e2e": (42_061, 4_672)}
    for name, (train, dev) in sizes.items():
        data = load(TASKS[name], GLUE)
        assert (len(data.train), len(data.evaluation["dev"])) == (train, dev)
    data = load(TASKS["sst2"], GLUE)
    assert sum(label for _, label in data.train) == 37_569
    assert data.train[0] == (("hide new secretions from the parental units",), 0)
    data = load(TASKS["mnli"], GLUE)
    assert [len(rows) for rows in data.evaluation.values()] == [9_815, 9_832]


def test_the_loss_of_generation_counts_the_reference_only(tmp_path):
    from transformers import AutoTokenizer

    tokenizer(tmp_path, decoder=True)
    words = AutoTokenizer.from_pretrained(tmp_path)
    words.pad_token = words.eos_token
    rows = [(("name place", "a fine film"), None), (("name", "dull"), None)]
    encoded = Encoded(rows, TASKS["e2e"], words, 32)
    end = SPECIAL.index("<|endoftext|>")
    ids = words.convert_tokens_to_ids
    assert encoded[0]["input_ids"] == [*ids(["name", "place"]), end, *ids(["a", "fine", "film"]), end]
    assert encoded[0]["labels"] == [-100] * 3 + [*ids(["a", "fine", "film"]), end]
    batch = collator(words)([encoded[0], encoded[1]])
    assert batch["input_ids"].shape == (2, 7)
    assert batch["labels"][1].tolist() == [-100, -100, *ids(["dull"]), end, *[-100] * 3]
    assert batch["attention_mask"].sum(1).tolist() == [7, 4]
    left = collator(words, left=True)([encoded[0], encoded[1]])
    assert left["attention_mask"].tolist() == [[1] * 7, [0] * 3 + [1] * 4]


def test_long_records_are_cut_and_counted(tmp_path):
    from transformers import AutoTokenizer

    tokenizer(tmp_path)
    words = AutoTokenizer.from_pretrained(tmp_path)
    encoded = Encoded([(("a film and a film and the plot",), 1), (("fine",), 1)], TASKS["sst2"], words, 6)
    assert encoded.cut == 1
    assert len(encoded[0]["input_ids"]) == 6
    assert encoded[0]["input_ids"][-1] == SPECIAL.index("[SEP]")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("input")
    tiny_bert(folder / "bert")
    sst2_folder(folder / "data")
    return folder


def refused(place, tmp_path, capsys, **changed):
    """The one line that the command prints about bad input."""
    given = {"task": "sst2", "model": place / "bert", "data": place / "data", "epsilon": 8, "delta": 1e-3, "steps": 2}
    given |= {"batch-size": 40, "max-length": 16, "output": tmp_path / "run", **changed}
    pairs = [(f"--{name}", value) for name, value in given.items() if value is not None]
    assert main([str(part) for name, value in pairs for part in ((name,) if value is True else (name, value))]) == 2
    out, err = capsys.readouterr()
    assert not (tmp_path / "run").exists()
    assert "step/s" not in err
    lines = [line for line in err.splitlines() if "error:" in line]
    assert len(lines) == 1
    assert "Traceback" not in err + out
    return lines[0]


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({"task": "cola"}, "task must be one of sst2, qnli, qqp, mnli, e2e, got 'cola'"),
        ({"task": None}, "--task must be given"),
        ({"data": "/nowhere/at/all"}, "data must be a folder"),
        ({"model": "/nowhere/at/all"}, "model must"),
        ({"batch-size": 201}, "batch_size must be at most the 200 records of the data set, got 201"),
        ({"batch-size": 0}, "expected_batch must be"),
        ({"epsilon": 1e-9, "delta": 1e-9}, "no noise multiplier up to 1e4 meets the target: epsilon=1e-09"),
        ({"epsilon": -1}, "epsilon"),
        ({"delta": 1.5}, "delta"),
        ({"steps": None}, "exactly one of epochs and steps"),
        ({"epochs": 2}, "exactly one of epochs and steps"),
        ({"max-length": 100}, "max_length must be at most the model's 40, got 100"),
        ({"micro-batch": 0}, "micro_batch must be an integer >= 1, got 0"),
        ({"method": "rgp", "optimizer": "adamw_bc"}, "optimizer must not be 'adamw_bc'"),
        ({"method": "rgp", "rank": 99}, "rank must be an integer from 1 to 16"),
        ({"compare": True}, "compare must come with dry_run"),
        ({"dropout": 1.0}, "dropout must lie in [0, 1), got 1.0"),
        ({"label-smoothing": -0.1}, "label_smoothing must lie in [0, 1), got -0.1"),
        ({"task": "e2e", "pooling": "mean"}, "pooling and label_smoothing are for classification, not for task 'e2e'"),
        ({"config": "/nowhere.yaml"}, "config must be a file that can be read"),
        ({"config": __file__}, "config must be a .yaml or .toml file"),
    ],
    ids=lambda value: "" if isinstance(value, str) else "-".join(map(str, value)),
)
def test_bad_options(place, tmp_path, capsys, changed, word):
    assert word in refused(place, tmp_path, capsys, **changed)


@pytest.mark.parametrize(
    ("header", "rows", "word"),
    [
        (
            ("text_a", "label"),
            [("fine", 1)],
            "sst2_train.tsv must have a column sentence or text, it has text_a, label",
        ),
        (("sentence", "class"), [("fine", 1)], "sst2_train.tsv must have a column label, it has sentence, class"),
        (("sentence", "label"), [("fine", 1), ("dull", 2)], "row 2 of sst2_train.tsv has '2'"),
        (("sentence", "label"), [("fine", "")], "labels must be 0 to 1 or negative, positive, row 1"),
        (("sentence", "label"), [], "has no rows"),
        (("sentence", "label"), [("fine", 1, 2)], "must have 2 columns, got 3"),
    ],
)
def test_bad_files(place, tmp_path, capsys, header, rows, word):
    folder = tmp_path / "data"
    sst2_folder(folder)
    (folder / "sst2_train.tsv.xz").unlink()
    write_tsv(folder / "sst2_train.tsv", header, rows)
    assert word in refused(place, tmp_path, capsys, data=folder)


def test_an_empty_file_and_a_missing_evaluation_file(place, tmp_path, capsys):
    folder = tmp_path / "data"
    sst2_folder(folder)
    (folder / "sst2_train.tsv").write_text("")
    assert "has no rows" in refused(place, tmp_path, capsys, data=folder)
    (folder / "sst2_train.tsv").unlink()
    (folder / "sst2_dev.tsv").unlink()
    assert "must have a file sst2_dev.tsv" in refused(place, tmp_path, capsys, data=folder)
    assert read_tsv(sst2_folder(folder) / "sst2_dev.tsv")[1] == 0


def test_models_that_do_not_fit(place, tmp_path, capsys):
    tiny_bert(tmp_path / "bert")
    config = json.loads((tmp_path / "bert" / "config.json").read_text())
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        (tmp_path / "bert" / name).unlink(missing_ok=True)
    assert "model must come with a tokenizer" in refused(place, tmp_path, capsys, model=tmp_path / "bert")
    tokenizer(tmp_path / "bert")
    (tmp_path / "bert" / "config.json").write_text(json.dumps({**config, "model_type": "vit"}))
    assert "model must load with a head for sst2" in refused(place, tmp_path, capsys, model=tmp_path / "bert")
    tiny_gpt2(tmp_path / "gpt2")
    write_tsv(tmp_path / "data" / "e2e_train.tsv", ("mr", "ref"), [("a", "b")] * 50)
    write_tsv(tmp_path / "data" / "e2e_dev.tsv", ("mr", "ref"), [("a", "b")])
    e2e = {"task": "e2e", "data": tmp_path / "data", "method": "head", "model": tmp_path / "gpt2"}
    assert "has no head of its own" in refused(place, tmp_path, capsys, **e2e)


def test_a_delta_of_one_record_is_warned_about(place, tmp_path, capsys):
    given = ["--task", "sst2", "--model", place / "bert", "--data", place / "data", "--epsilon", 8, "--delta", 0.005]
    given += ["--batch-size", 20, "--epochs", 1, "--max-length", 6, "--output", tmp_path / "run", "--dry-run"]
    assert main([str(part) for part in given]) == 0
    error = capsys.readouterr().err
    assert "delta = 0.005 is not below 1/n = 0.005: publishing one record in full" in error
    assert "training records are longer than 6 tokens and cut off" in error
