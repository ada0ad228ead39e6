"""Options of `edgeworth-finetune`: of the command line, of a YAML or TOML file, of the run that is resumed."""

import argparse
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from edgeworth_acct.torch_adapter.accountants import ACCOUNTANTS
from edgeworth_acct.torch_adapter.methods import METHODS
from edgeworth_acct.torch_adapter.tasks import TASKS

CONFIG = "config.yaml"
_RATES = {"full": 5e-4, "head": 1e-2, "lora": 2e-3, "rgp": 1e-3}
# What a resumed run may be told anew.
_MAY_CHANGE = ("resume", "output", "progress", "device")


@dataclass(frozen=True)
class Options:
    """Every option of a run; names as on the command line."""

    task: str
    model: str
    data: str
    output: str
    epsilon: float
    delta: float
    batch_size: float
    epochs: float | None = None
    steps: int | None = None
    method: str = "full"
    rank: int | None = None
    targets: tuple | None = None
    alpha: float = 16.0
    biases: bool = False
    momentum: float = 0.5
    published_sign: bool = False
    freeze_embeddings: bool = False
    pooling: str | None = None
    dropout: float | None = None
    label_smoothing: float = 0.0
    clip: float = 1.0
    clipping: str = "flat"
    adjacency: str = "add_or_remove"
    optimizer: str = "adamw"
    lr: float | None = None
    head_lr: float | None = None
    weight_decay: float = 0.0
    schedule: str = "constant"
    max_length: int = 128
    micro_batch: int = 32
    amp: str | None = None
    device: str | None = None
    seed: int = 0
    evaluate_every: int | None = None
    evaluation_limit: int | None = None
    checkpoint_every: int | None = None
    accountant: str = "certified"
    sigma: float | None = None
    i_know_this_is_an_estimate: bool = False
    resume: bool = False
    dry_run: bool = False
    compare: bool = False
    progress: bool = True

    def __post_init__(self):
        defaults = {"lr": _RATES.get(self.method), "rank": 1 if self.method == "rgp" else 8}
        for name, value in defaults.items():
            if getattr(self, name) is None:
                object.__setattr__(self, name, value)
        if self.targets is not None:
            object.__setattr__(self, "targets", tuple(self.targets))
        if (self.epochs is None) == (self.steps is None):
            raise ValueError(
                f"exactly one of epochs and steps must be given, got epochs={self.epochs!r}, steps={self.steps!r}"
            )
        if self.accountant == "edgeworth" and not self.i_know_this_is_an_estimate:
            raise ValueError(
                "accountant 'edgeworth' is an estimate that understates epsilon: the run would spend more than "
                f"{self.epsilon!r}; --i-know-this-is-an-estimate runs it all the same, with the true epsilon in its "
                "certificate"
            )
        if self.method == "rgp" and self.optimizer == "adamw_bc":
            raise ValueError(
                "optimizer must not be 'adamw_bc' with method 'rgp': its noise is not equal on all weights"
            )
        if self.compare and not self.dry_run:
            raise ValueError("compare must come with dry_run: it prints a table and trains nothing")
        if self.pooling not in (None, "mean"):
            raise ValueError(f"pooling must be 'mean', got {self.pooling!r}")
        if self.dropout is not None and not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must lie in [0, 1), got {self.dropout!r}")
        if not 0 <= self.label_smoothing < 1:
            raise ValueError(f"label_smoothing must lie in [0, 1), got {self.label_smoothing!r}")
        if self.task in TASKS and TASKS[self.task].generates and (self.pooling or self.label_smoothing):
            raise ValueError(f"pooling and label_smoothing are for classification, not for task {self.task!r}")
        for name in ("max_length", "micro_batch", "evaluate_every", "evaluation_limit", "checkpoint_every"):
            value = getattr(self, name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
                raise ValueError(f"{name} must be an integer >= 1, got {value!r}")

    def as_dict(self) -> dict:
        """For a file: everything but what belongs to one call only."""
        left_out = ("resume", "dry_run", "compare")
        values = {name: value for name, value in asdict(self).items() if name not in left_out}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}


def parse(arguments) -> Options:
    """Options of the command line, over those of ``--config``, over those of the run to ``--resume``.

    Raises
    ------
    ValueError
        An option is missing, unknown or out of range, or changes a run that is resumed.
    """
    given = vars(_parser().parse_args(arguments))
    config = given.pop("config", None)
    values = given if config is None else read(config) | given
    if values.get("resume") and "output" in values and (Path(values["output"]) / CONFIG).exists():
        before = read(Path(values["output"]) / CONFIG)
        for name, value in values.items():
            value = list(value) if isinstance(value, tuple) else value
            if name in before and name not in _MAY_CHANGE and value != before[name]:
                raise ValueError(f"{name} must stay {before[name]!r} in a resumed run, got {value!r}")
        values = before | values
    missing = [item.name for item in fields(Options)[:7] if item.name not in values]
    if missing:
        raise ValueError(f"{', '.join(map(_flag, missing))} must be given")
    return Options(**values)


def read(path) -> dict:
    """Options from a YAML or TOML file.

    Raises
    ------
    ValueError
        There is no such file, it is neither, or holds an unknown option.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ValueError(f"config must be a file that can be read, got {str(path)!r}: {error.strerror}") from error
    if path.suffix == ".toml":
        try:
            import tomllib as reader
        except ImportError as error:
            raise ValueError(f"config must be a .yaml file before Python 3.11, got {str(path)!r}") from error
        errors, load = reader.TOMLDecodeError, reader.loads
    elif path.suffix in (".yaml", ".yml"):
        import yaml as reader

        errors, load = reader.YAMLError, _yaml
    else:
        raise ValueError(f"config must be a .yaml or .toml file, got {str(path)!r}")
    try:
        values = load(text)
    except errors as error:
        raise ValueError(f"config must be a valid file, {path} is not: {error}") from error
    names = {item.name for item in fields(Options)}
    values = {name.replace("-", "_"): value for name, value in (values or {}).items()}
    unknown = sorted(set(values) - names)
    if unknown:
        raise ValueError(f"config must hold options only, {path} has {', '.join(unknown)}")
    return {name: _number(value) if isinstance(value, str) else value for name, value in values.items()}


def _yaml(text):
    import yaml

    return yaml.safe_load(text)


def _number(text):
    """YAML 1.1 reads 1e-5, without a point, as text."""
    try:
        return float(text)
    except ValueError:
        return text


def _flag(name):
    return "--" + name.replace("_", "-")


def _parser():
    parser = argparse.ArgumentParser(
        prog="edgeworth-finetune",
        description="Fine-tune a pretrained language model with differential privacy, and write its proof beside it.",
        argument_default=argparse.SUPPRESS,
        allow_abbrev=False,
        epilog="example: edgeworth-finetune --task sst2 --model roberta-base --data GLUE --epsilon 8 --delta 1e-5 "
        "--batch-size 2000 --epochs 20 --method rgp --clip 10 --lr 3e-4 --output RUN",
    )

    def add(name, text, **options):
        parser.add_argument(_flag(name), help=text, **options)

    add("config", "a .yaml or .toml file of these options; what is given here goes first")
    add("task", f"one of {', '.join(TASKS)}")
    add("model", "folder of a Hugging Face model with its tokenizer, or a hub id")
    add("data", "folder of TSV files or of a saved Hugging Face data set, or a hub id")
    add("output", "folder for the model, its certificate and its card")
    add("epsilon", "privacy budget, in nats", type=float)
    add("delta", "its delta; below 1 / (number of records)", type=float)
    add("batch_size", "expected batch: each record is in a batch with probability batch size / records", type=float)
    add("epochs", "epochs of floor(records / batch size) steps each", type=float)
    add("steps", "logical steps, instead of epochs", type=int)
    add("method", "what is trained (default: full)", choices=METHODS)
    add("rank", "of lora (default: 8) and rgp (default: 1)", type=int)
    add("targets", "layers of lora and rgp, by name or end of name", nargs="+")
    add("alpha", "scale of lora (default: 16)", type=float)
    add("biases", "with lora: train all biases as well (DP-BiTFiT, arXiv:2210.00036)", action="store_true")
    add("momentum", "of rgp's power iteration, in [0, 1) (default: 0.5)", type=float)
    add("published_sign", "rgp with the sign of the published code, which is no projection", action="store_true")
    add("freeze_embeddings", "do not train embeddings with --method full", action="store_true")
    add("pooling", "mean: classify the mean of the token vectors, scaled to length 1", choices=("mean",))
    add("dropout", "probability in [0, 1), instead of the model's own", type=float)
    add("label_smoothing", "part of each label spread over all classes, in [0, 1) (default: 0)", type=float)
    add("clip", "bound on the norm of a record's gradient (default: 1)", type=float)
    add("clipping", "flat: min(1, C / norm); auto: C / (norm + 0.01) (default: flat)", choices=("flat", "auto"))
    add("adjacency", "neighbouring data sets", choices=("add_or_remove", "add", "remove", "replace_one"))
    add("optimizer", "adamw_bc corrects AdamW for the noise (default: adamw)", choices=("adamw", "adamw_bc"))
    add("lr", f"learning rate (default by method: {', '.join(f'{k} {v:g}' for k, v in _RATES.items())})", type=float)
    add("head_lr", "learning rate of what is no part of the pretrained model (default: lr)", type=float)
    add("weight_decay", "default: 0", type=float)
    add("schedule", "of the learning rate (default: constant)", choices=("constant", "linear"))
    add("max_length", "tokens; longer records are cut off (default: 128)", type=int)
    add("micro_batch", "records of a forward pass; no matter of privacy (default: 32)", type=int)
    add("amp", "activations in half precision", choices=("bf16", "fp16"))
    add("device", "default: cuda where there is one, else cpu")
    add("seed", "of the model's initialisation only; batches and noise come from the operating system", type=int)
    add("evaluate_every", "steps between evaluations; always after the last", type=int)
    add("evaluation_limit", "only the first so many evaluation records", type=int)
    add("checkpoint_every", "steps between checkpoints (default: a twentieth of the run)", type=int)
    add(
        "accountant",
        "who chooses the noise (default: certified); the certificate is always certified",
        choices=ACCOUNTANTS,
    )
    add("sigma", "noise multiplier, instead of an accountant's choice", type=float)
    add("i_know_this_is_an_estimate", "allow noise that costs more than epsilon", action="store_true")
    add("resume", "continue the run in --output, whose options need not be repeated", action="store_true")
    add("dry_run", "print the plan and what it takes, and stop", action="store_true")
    add("compare", "with --dry-run: noise by accountant, and the true epsilon of each", action="store_true")
    parser.add_argument("--no-progress", dest="progress", action="store_false", help="no progress bar")
    return parser
