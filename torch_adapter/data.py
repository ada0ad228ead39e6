"""Read a task's records: TSV files named by task, GLUE's own folders, or a Hugging Face data set.

Rows are ``(texts, label)``: a tuple of strings and an integer, or None where the last text is what the model writes.
TSV files have a header and no quoting; they may be packed with xz.
"""

import lzma
from dataclasses import dataclass
from pathlib import Path

from edgeworth_acct.torch_adapter.tasks import Task

_TRAIN = ("train", "train_partial")


@dataclass(frozen=True)
class Data:
    """A task's records.

    Attributes
    ----------
    train : list
    evaluation : dict
        Split to rows.
    source : str
        Where they came from.
    dropped : int
        Lines of GLUE's training file that lack columns (its QQP file has some), left out.
    """

    train: list
    evaluation: dict
    source: str
    dropped: int = 0


def load(task: Task, where: str) -> Data:
    """A task's data from a folder or a hub id.

    Parameters
    ----------
    task : Task
    where : str
        A folder with ``{task}_train.tsv``, ``{task}_dev.tsv`` (also ``_train_partial``, ``.xz``); or GLUE's
        ``train.tsv`` and ``dev.tsv``, there or in the task's own folder; or one that
        `datasets.DatasetDict.save_to_disk` wrote; or, if there is no such folder, the id of a data set on the hub.

    Raises
    ------
    ValueError
        Nothing is there, a file is empty, a column is missing, or a label is out of range; the message says where.
    """
    folder = Path(where)
    if not folder.is_dir():
        return _from_hub(task, where)
    if (folder / "dataset_dict.json").exists():
        from datasets import load_from_disk

        return _from_splits(task, load_from_disk(where), where)
    for root, prefix in ((folder, f"{task.name}_"), (folder, ""), (folder / task.folder, "")):
        train = _first(root, prefix, _TRAIN)
        if train:
            return _from_files(task, root, prefix, train)
    raise ValueError(
        f"data must be a folder with {task.name}_train.tsv, train.tsv, {task.folder}/train.tsv (or .tsv.xz) or a saved "
        f"Hugging Face data set, or a hub id; found none of these in {where}"
    )


def _first(root, prefix, stems):
    paths = (root / f"{prefix}{stem}.tsv{packed}" for stem in stems for packed in ("", ".xz"))
    return next((path for path in paths if path.exists()), None)


def _from_files(task, root, prefix, train):
    files = {split: _first(root, prefix, stems) for split, stems in task.evaluation.items()}
    missing = [split for split, path in files.items() if path is None]
    if missing:
        raise ValueError(f"data must have a file {prefix}{task.evaluation[missing[0]][0]}.tsv in {root} for evaluation")
    broken = not prefix
    rows, dropped = _rows(task, *read_tsv(train, drop_short=broken), train.name)
    evaluation = {split: _rows(task, *read_tsv(path, drop_short=broken), path.name)[0] for split, path in files.items()}
    return Data(rows, evaluation, str(root), dropped)


def read_tsv(path, drop_short=False):
    """Columns of a TSV file by name, and how many short lines were left out.

    Raises
    ------
    ValueError
        It has no rows, or a row of another length than the header's (shorter rows are left out with `drop_short`).
    """
    opened = lzma.open if Path(path).suffix == ".xz" else open
    with opened(path, "rt", encoding="utf-8", newline="\n") as file:
        lines = [line.removesuffix("\r") for line in file.read().removesuffix("\n").split("\n")]
    header = lines[0].split("\t")
    rows, dropped = [], 0
    for number, line in enumerate(lines[1:], 2):
        cells = line.split("\t")
        if len(cells) == len(header):
            rows.append(cells)
        elif drop_short and len(cells) < len(header):
            dropped += 1
        else:
            raise ValueError(f"line {number} of {path} must have {len(header)} columns, got {len(cells)}")
    if not rows:
        raise ValueError(f"data must not be empty: {path} has no rows")
    return dict(zip(header, zip(*rows))), dropped


def _rows(task, columns, dropped, origin):
    texts = [_column(columns, (name, *others), origin) for name, others in task.columns.items()]
    for name, column in zip(task.columns, texts):
        wrong = next((k for k, text in enumerate(column) if not isinstance(text, str)), None)
        if wrong is not None:
            raise ValueError(f"column {name} of {origin} must hold text, row {wrong + 1} has {column[wrong]!r}")
    if task.generates:
        return [(pair, None) for pair in zip(*texts)], dropped
    codes = {name: k for k, name in enumerate(task.classes)}
    codes |= {str(k): k for k in range(len(task.classes))}
    labels = []
    for row, label in enumerate(_column(columns, task.label, origin), 1):
        if str(label) not in codes:
            raise ValueError(
                f"labels must be 0 to {len(task.classes) - 1} or {', '.join(task.classes)}, row {row} of {origin} has "
                f"{label!r}"
            )
        labels.append(codes[str(label)])
    return list(zip(zip(*texts), labels)), dropped


def _column(columns, names, origin):
    for name in names:
        if name in columns:
            return columns[name]
    raise ValueError(f"{origin} must have a column {' or '.join(names)}, it has {', '.join(columns)}")


def _from_hub(task, where):
    try:
        from datasets import load_dataset
        from datasets.exceptions import DatasetNotFoundError
    except ImportError as error:
        raise ValueError(f"data must be a folder, {where!r} is none; hub ids need the package datasets") from error
    glue = where.split("/")[-1] == "glue"
    try:
        found = load_dataset(where, task.name) if glue else load_dataset(where)
    except (DatasetNotFoundError, ConnectionError, FileNotFoundError, OSError) as error:
        raise ValueError(f"data must be a folder or a data set on the hub, got {where!r}: {error}") from error
    return _from_splits(task, found, where)


def _from_splits(task, splits, where):
    def rows(names):
        name = next((name for name in names if name in splits), None)
        if name is None:
            raise ValueError(f"{where} must have a split {' or '.join(names)}, it has {', '.join(splits)}")
        columns = {column: list(splits[name][column]) for column in splits[name].column_names}
        if not len(splits[name]):
            raise ValueError(f"data must not be empty: split {name} of {where} has no rows")
        return _rows(task, columns, 0, f"split {name} of {where}")[0]

    return Data(rows(("train",)), {split: rows(names) for split, names in task.evaluation.items()}, where)
