"""The text tasks that `edgeworth-finetune` knows, and what their data sets call things."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Task:
    """A task.

    Attributes
    ----------
    name : str
    columns : dict
        Text columns, in the order the model reads them, to other names that they go by.
    label : tuple of str
        Names of the label column; empty where the last text column is what the model must write.
    classes : tuple of str
        Names of the labels 0, 1, ...
    evaluation : dict
        Evaluation splits to the names that files and data sets have for them.
    folder : str
        GLUE's name of the task's folder.
    """

    name: str
    columns: dict
    label: tuple = ("label",)
    classes: tuple = ()
    evaluation: dict = field(default_factory=lambda: {"dev": ("dev", "validation")})
    folder: str = ""

    @property
    def generates(self) -> bool:
        """Whether the model writes text instead of choosing a class."""
        return not self.label


_NLI = ("entailment", "not_entailment")

TASKS = {
    task.name: task
    for task in (
        Task("sst2", {"sentence": ("text",)}, classes=("negative", "positive"), folder="SST-2"),
        Task("qnli", {"question": (), "sentence": ()}, classes=_NLI, folder="QNLI"),
        Task(
            "qqp",
            {"question1": (), "question2": ()},
            ("label", "is_duplicate"),
            ("not_duplicate", "duplicate"),
            folder="QQP",
        ),
        Task(
            "mnli",
            {"premise": ("sentence1",), "hypothesis": ("sentence2",)},
            ("label", "gold_label"),
            ("entailment", "neutral", "contradiction"),
            {
                "matched": ("dev_matched", "validation_matched"),
                "mismatched": ("dev_mismatched", "validation_mismatched"),
            },
            "MNLI",
        ),
        Task("e2e", {"mr": ("meaning_representation",), "ref": ("human_reference",)}, label=(), folder="E2E"),
    )
}


def task_named(name: str) -> Task:
    """The task of a name.

    Raises
    ------
    ValueError
        There is none.
    """
    if name not in TASKS:
        raise ValueError(f"task must be one of {', '.join(TASKS)}, got {name!r}")
    return TASKS[name]
