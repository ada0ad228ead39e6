"""Single steps of DP-SGD, seen from outside.

One trick serves most tests: with SGD of rate 1 in float64, a step moves the parameters by (clipped sum + noise) /
expected batch, and a run from the same seed in which no example counts moves them by noise / expected batch.
"""

import math

import torch
from torch import nn
from torch_models import SIZE

from edgeworth_acct.torch_adapter import DPEngine

# Every record in every batch: the batch is the data set and has one micro-batch.
ALL = {"n": SIZE, "expected_batch": SIZE, "delta": 1e-5}


def step(model, losses_of, plan, *, mask=None, loss_scale=1.0, seed=7):
    """Parameter changes times -expected batch of one step on all records: clipped sum plus noise."""
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=1.0)
    engine = DPEngine(model, optimizer, plan, insecure_reproducible=True, seed=seed)
    for logical in engine.sampler(plan.n, micro_batch=plan.n):
        for mb in logical:
            engine.backward(losses_of(model), mask=mb.mask if mask is None else mask, loss_scale=loss_scale)
        engine.step()
        break
    engine.detach()
    moved = {name: plan.expected_batch * (before[name] - p.detach()) for name, p in model.named_parameters()}
    model.load_state_dict(before, strict=False)
    return moved


def released(model, losses_of, plan, **options):
    """The clipped sum alone."""
    nothing = torch.zeros(plan.n, dtype=torch.bool)
    with_all, noise = (step(model, losses_of, plan, **each) for each in (options, {"mask": nothing}))
    return {name: with_all[name] - noise[name] for name in noise}


def size(gradients):
    return math.sqrt(sum(float(g.detach().double().square().sum()) for g in gradients.values()))


def gap(one, two):
    return size({name: one[name].double() - two[name].double() for name in one})


def linear_losses(x, y):
    return lambda model: nn.functional.cross_entropy(model(x), y, reduction="none")


def engine_for(model, plan, **options):
    options = {"insecure_reproducible": True, "seed": 0, **options}
    return DPEngine(model, torch.optim.SGD(model.parameters(), lr=0.1), plan, **options)


def contribution(model, losses_of, plan, mask):
    """The clipped sum itself, before noise: a difference of float32 parameters would drown it in rounding."""
    engine = DPEngine(model, torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=1.0), plan)
    for logical in engine.sampler(plan.n, micro_batch=plan.n):
        for _ in logical:
            engine.backward(losses_of(model), mask=mask)
        break
    engine.detach()
    return {name: engine._totals[p] for name, p in engine.parameters.items() if p in engine._totals}
