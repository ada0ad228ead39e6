"""Load a pretrained model and its tokenizer for a task, or say in one line why not."""

from pathlib import Path


def tokenizer_for(task, where):
    """A tokenizer with a padding token.

    Raises
    ------
    ValueError
        There is none at `where`.
    """
    from transformers import AutoTokenizer

    _check(where)
    try:
        tokenizer = AutoTokenizer.from_pretrained(where)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, ImportError) as error:
        raise ValueError(f"model must come with a tokenizer, {where} has none that loads: {_first(error)}") from error
    if len(tokenizer) <= len(tokenizer.all_special_tokens):
        raise ValueError(f"model must come with a tokenizer, {where} has none: only special tokens were found")
    if task.generates and tokenizer.eos_token_id is None:
        raise ValueError(f"model must have a tokenizer with an end-of-text token for {task.name}, {where} has not")
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def model_for(task, where, tokenizer, max_length, pooling=None, dropout=None):
    """A model for the task in float32; the random numbers of a new head are torch's.

    Parameters
    ----------
    task : Task
    where : str or path
    tokenizer : PreTrainedTokenizer
    max_length : int
    pooling : {None, "mean"}
        A classifier of Hugging Face for this model, or `MeanPooledClassifier`.
    dropout : float, optional
        Instead of the model's own.

    Raises
    ------
    ValueError
        No model, no head for this task, a head of other classes, or shorter inputs than `max_length`.
    """
    import torch
    from torch import nn
    from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

    load = (AutoModelForCausalLM if task.generates else AutoModelForSequenceClassification).from_pretrained
    if pooling is not None:
        from edgeworth_acct.torch_adapter.pooled import MeanPooledClassifier

        load = MeanPooledClassifier.load
    labels = {} if task.generates else {"id2label": dict(enumerate(task.classes)), "num_labels": len(task.classes)}
    if labels:
        labels["label2id"] = {name: k for k, name in labels["id2label"].items()}
    try:
        model = load(where, dtype=torch.float32, **labels)
    except (OSError, ValueError, RuntimeError) as error:
        wanted = "language-modelling" if task.generates else f"classification, {len(task.classes)} classes,"
        raise ValueError(f"model must load with a head for {task.name} ({wanted} {where}): {_first(error)}") from error
    if dropout is not None:
        for module in model.modules():
            if isinstance(module, nn.Dropout):
                module.p = dropout
    model.config.pad_token_id = tokenizer.pad_token_id
    longest = getattr(model.config, "max_position_embeddings", None)
    if longest is not None:
        longest -= 2 if model.config.model_type in ("roberta", "xlm-roberta", "camembert") else 0
    if longest is not None and max_length > longest:
        raise ValueError(f"max_length must be at most the model's {longest}, got {max_length}")
    return model


def _check(where):
    if Path(where).exists() and not (Path(where) / "config.json").exists():
        raise ValueError(f"model must be a folder with config.json or a hub id, got {where!r}")


def _first(error):
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
