"""The gradients of layers under `torch.compile`: those of inputs that are always zero.

Hooks on tensors do not survive compilation; hooks on modules are traced with them.  So every trainable layer's output
takes in a *probe*, a zero of its shape that comes from outside, whose gradient is therefore the output's, and the
layer's input is put aside.  Parameters do not require gradients during the forward pass: a compiled backward pass would
multiply all of theirs out.  Inputs and gradients then go through the rules of `capture`.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from edgeworth_acct.torch_adapter.capture import add_factors, find_layers
from edgeworth_acct.torch_adapter.checks import Reference
from edgeworth_acct.torch_adapter.factors import HALF, Grams, squared_norms, wide


@dataclass
class _Pass:
    """A forward pass: layers and their inputs in the order of their calls, and the probes on their outputs."""

    probes: list
    calls: list = field(default_factory=list)
    trial: bool = False  # probes are made as layers are called


class Probe:
    """What `edgeworth_acct.torch_adapter.capture.Stash` is, for ``torch.compile(model)`` as well as for `model`.

    A batch of new shapes is first run once more, not compiled: to learn the shapes of all layers' outputs, and to
    compare its per-example gradients with autograd's.

    Raises
    ------
    ValueError
        A layer has no rule.
    """

    def __init__(self, model):
        self.model, self.layers = model, find_layers(model)
        unknown = [str(layer) for layer in self.layers if layer.rule is None]
        if unknown:
            raise ValueError(f"mode must be 'stash' for layers without a rule, got 'probe' for {', '.join(unknown)}")
        self._known = {}  # shapes of a batch -> shapes, types and devices of the outputs of layers
        self._passes, self._pass = [], None
        self._hooks = [model.register_forward_pre_hook(self._begin, with_kwargs=True)]
        for k, layer in enumerate(self.layers):
            self._hooks.append(layer.module.register_forward_hook(partial(self._tap, k), with_kwargs=True))
        self._hooks.append(model.register_forward_hook(self._end, always_call=True))

    def remove(self):
        """As `Stash.remove`."""
        for hook in self._hooks:
            hook.remove()

    def collect(self, total, size):
        """As `Stash.collect`."""
        passes, self._passes = self._passes, []
        self._require_gradients(False)  # as before, where a checkpointed forward pass is repeated
        try:
            gradients = self._gradients(total, passes)
        finally:
            self._require_gradients(True)
        found = self._factors(passes, gradients, size)
        if not found:
            raise RuntimeError("losses must come from the model, run with gradients since the last backward pass")
        return found

    def _gradients(self, total, passes):
        probes = [probe for each in passes for probe in each.probes]
        return torch.autograd.grad(total, probes, allow_unused=True) if probes else []

    def _factors(self, passes, gradients, size):
        found, calls = defaultdict(list), [call for each in passes for call in each.calls]
        for (k, inputs), grads in zip(calls, gradients, strict=True):
            if grads is not None:
                add_factors(found, self.layers[k], inputs, grads, size)
        return dict(found)

    @torch.compiler.disable
    def _begin(self, module, args, kwargs):
        if self._pass is not None and self._pass.trial:
            return
        self._pass = None
        if not torch.is_grad_enabled():
            return
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        device = tensors[0].device.type
        amp = torch.is_autocast_enabled(device) and torch.get_autocast_dtype(device)
        key = (amp, *((tensor.shape, tensor.dtype) for tensor in tensors))
        if key not in self._known:
            self._known[key] = self._try(args, kwargs, tensors[0])
        probes = [torch.zeros((), dtype=d, device=v).expand(shape).requires_grad_() for shape, d, v in self._known[key]]
        self._pass = _Pass(probes)
        self._passes.append(self._pass)
        self._require_gradients(False)

    def _tap(self, k, module, args, kwargs, output):
        now = self._pass
        if now is None:
            return None
        inputs, output = self.layers[k].tensors(args, kwargs, output)
        if now.trial:
            now.probes.append(torch.zeros_like(output, requires_grad=True))
        now.calls.append((k, inputs.detach()))
        return output + now.probes[len(now.calls) - 1]

    @torch.compiler.disable
    def _end(self, module, args, output):
        self._pass = None
        self._require_gradients(True)

    def _require_gradients(self, value):
        for layer in self.layers:
            for parameter in layer.parameters.values():
                parameter.requires_grad_(value)

    def _try(self, args, kwargs, first):
        self._pass = trial = _Pass([], trial=True)
        with torch.random.fork_rng():
            rows = _projections(self.model(*args, **kwargs), len(first))
        with torch.autocast(first.device.type, enabled=False):
            parameters = {name: value for name, value in self.model.named_parameters() if value.requires_grad}
            reference = Reference(rows, parameters, example=0)
            found = self._factors([trial], self._gradients(rows.sum(), [trial]), len(first))
            squares = {p: squared_norms(factors, p.shape, Grams()) for p, factors in found.items()}
            if all(square.isfinite().all() for square in squares.values()):
                reference.check(found, squares, half=any(probe.dtype in HALF for probe in trial.probes))
        return [(probe.shape, probe.dtype, probe.device) for probe in trial.probes]


def _projections(outputs, size):
    """A random function of each example's outputs, shape (B,)."""
    leaves = [wide(leaf) for leaf in tree_leaves(outputs) if isinstance(leaf, Tensor) and leaf.requires_grad]
    leaves = [leaf.reshape(size, -1) for leaf in leaves if leaf.dim() and len(leaf) == size]
    if not leaves:
        raise ValueError(f"model must have an output whose first dimension is the batch of {size}")
    return sum((leaf * torch.randn_like(leaf)).sum(1) for leaf in leaves)
