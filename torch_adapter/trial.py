"""How long a run will take and what memory it needs, from two micro-batches of it that are thrown away."""

import resource
import sys
import time

import torch

from edgeworth_acct.torch_adapter.capture import Stash
from edgeworth_acct.torch_adapter.losses import inputs_and_batch, loss_function

_AMP = {"bf16": torch.bfloat16, "fp16": torch.float16}


def trial(model, dataset, plan, collate, loss, micro_batch, amp) -> str:
    """Try the longest records for memory and those of mean length for time; nothing is kept.

    Returns
    -------
    str
        Estimates of time (training only) and of memory, for people.
    """
    device = next(model.parameters()).device
    order = sorted(range(len(dataset)), key=dataset.lengths.__getitem__, reverse=True)
    mean = sum(dataset.lengths) / len(dataset)
    middle = next(k for k, row in enumerate(order) if dataset.lengths[row] <= mean)
    stash = Stash(model)
    training = model.training
    model.train()
    try:
        for first in (0, middle):
            records = [dataset[order[(first + k) % len(order)]] for k in range(micro_batch)]
            args, kwargs, batch = inputs_and_batch(collate(records), device)
            started = time.perf_counter()
            with torch.autocast(device.type, _AMP.get(amp), enabled=amp is not None):
                losses = loss_function(loss)(model(*args, **kwargs), batch)
            stash.collect(losses.sum(), micro_batch)
            if device.type == "cuda":
                torch.cuda.synchronize()
            seconds = time.perf_counter() - started
    finally:
        stash.remove()
        model.train(training)
    batches = plan.expected_batch / micro_batch + 0.5
    trained = sum(
        parameter.numel() * parameter.element_size() for parameter in model.parameters() if parameter.requires_grad
    )
    if device.type == "cuda":
        peak = torch.cuda.max_memory_allocated(device)
    else:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return (
        f"  estimated time                  {_span(1.3 * seconds * batches * plan.steps)} on {device} "
        f"({micro_batch / seconds:.0f} records per second, {batches * plan.steps:.0f} micro-batches)\n"
        f"  estimated memory                {(peak + 4 * trained) / 2**20:.0f} MiB"
    )


def _span(seconds):
    minutes = seconds / 60
    return f"{seconds:.0f} s" if minutes < 2 else f"{minutes:.0f} min" if minutes < 120 else f"{minutes / 60:.1f} h"
