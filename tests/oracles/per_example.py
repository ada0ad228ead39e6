"""Per-example gradients one example at a time, by torch.func: no batch, no hook, no factor."""

import torch
from torch.func import functional_call, grad


def gradients(model, loss, batch):
    """Gradients of `loss(outputs, batch)`, shape (1,) for one example, as a list over examples of {name: gradient}.

    `batch` maps argument names to tensors with examples first; "labels" goes to the loss only.
    """
    parameters = {name: p.detach() for name, p in model.named_parameters(remove_duplicate=True) if p.requires_grad}
    size = len(next(iter(batch.values())))

    def one(values, example):
        inputs = {name: value for name, value in example.items() if name != "labels"}
        return loss(functional_call(model, values, (), inputs), example).sum()

    return [grad(one)(parameters, {name: value[i : i + 1] for name, value in batch.items()}) for i in range(size)]


def norms(per_example):
    """Euclidean norm of each example's whole gradient."""
    squares = [sum(gradient.double().square().sum() for gradient in one.values()) for one in per_example]
    return torch.stack(squares).sqrt()


def clipped_sum(per_example, clip):
    """The sum of min(1, clip / norm) times the gradients."""
    factors = (clip / norms(per_example)).clamp(max=1.0)
    return {
        name: sum(factor * one[name].double() for factor, one in zip(factors, per_example)) for name in per_example[0]
    }
