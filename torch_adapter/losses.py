"""Losses of one value per example: nothing is averaged over the batch."""

import torch
from torch.nn import functional as F


def logits_of(outputs):
    """Logits of a Hugging Face output, or the outputs themselves."""
    return getattr(outputs, "logits", outputs)


def sequence_classification(outputs, batch, label_smoothing=0.0):
    """Cross entropy (B,) of logits (B, classes) and ``batch["labels"]`` (B,), part of each label spread over all."""
    logits = logits_of(outputs).float()
    return F.cross_entropy(logits, batch["labels"], reduction="none", label_smoothing=label_smoothing)


def causal_lm(outputs, batch):
    """Mean cross entropy (B,) over each example's own tokens; labels -100 do not count, in numerator or denominator.

    ``batch["labels"]`` (B, T) are the inputs, shifted here.
    """
    logits, labels = logits_of(outputs)[:, :-1].float(), batch["labels"][:, 1:]
    losses = F.cross_entropy(logits.transpose(1, 2), labels, reduction="none", ignore_index=-100)
    return losses.sum(1) / (labels != -100).sum(1).clamp_min(1)


LOSSES = {"sequence_classification": sequence_classification, "causal_lm": causal_lm}


def loss_function(loss):
    """A name of `LOSSES`, or a callable ``(outputs, batch) -> (B,)``, as a callable."""
    if callable(loss):
        return loss
    if loss not in LOSSES:
        raise ValueError(f"loss must be one of {', '.join(map(repr, LOSSES))} or callable, got {loss!r}")
    return LOSSES[loss]


def inputs_and_batch(batch, device):
    """Arguments for the model and the whole batch, on a device; a pair is (inputs, labels)."""
    if isinstance(batch, tuple | list):
        inputs, labels = (part.to(device) for part in batch)
        return (inputs,), {}, {"labels": labels}
    batch = {name: value.to(device) if isinstance(value, torch.Tensor) else value for name, value in batch.items()}
    return (), {name: value for name, value in batch.items() if name != "labels"}, batch
