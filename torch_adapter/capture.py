"""Every trainable layer's input and output gradient, caught in one ordinary backward pass.

Forward hooks see a layer's input and leave a hook on its output; that hook belongs to the autograd graph and dies with
it.  The backward pass is `torch.autograd.grad` with respect to the outputs of the first trainable layers only: it
visits every layer, multiplies no weight gradient out, and touches no ``.grad``.  A rule runs the moment a gradient
arrives, so that what it can reduce at once (biases, norms, small weights) is not kept.
"""

from collections import defaultdict
from dataclasses import dataclass
from functools import partial

import torch
from torch import nn
from torch.autograd.graph import get_gradient_edge
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd
from torch.nn.modules.instancenorm import _InstanceNorm
from torch.utils._pytree import tree_flatten

from edgeworth_acct.torch_adapter.factors import HALF, Dense
from edgeworth_acct.torch_adapter.rules import per_example, rule_for

# Modules that use their children's parameters without calling the children.
_OPAQUE = (nn.MultiheadAttention,)
_CONTAINERS = (nn.ParameterList, nn.ParameterDict)


@dataclass(frozen=True)
class Layer:
    """A module, the trainable parameters that are its to account for (by local name), and its rule if it has one."""

    name: str
    module: nn.Module
    parameters: dict
    rule: object

    def __str__(self):
        return f"{self.name or 'the model'} ({type(self.module).__name__})"

    def tensors(self, args, kwargs, output):
        """What its rule reads of a call: the first argument of `forward`, and the output.

        Raises
        ------
        TypeError
            They are no tensors.
        """
        inputs = args[0] if args else next(iter(kwargs.values()), None)
        for each in (inputs, output):
            if not isinstance(each, torch.Tensor):
                raise TypeError(f"{self} must take and give one tensor to have a rule, got {type(each).__name__}")
        return inputs, output


def find_layers(model):
    """The layers that hold a model's trainable parameters.

    Raises
    ------
    ValueError
        The model mixes examples, or a trainable parameter has no exact per-example gradient; the message says which.
    """
    _refuse_mixing(model)
    owners, modules, inside = {}, dict(model.named_modules()), set()
    for name, module in modules.items():
        if name in inside:
            continue
        opaque = isinstance(module, _OPAQUE)
        if opaque:
            inside |= {f"{name}.{child}".lstrip(".") for child, _ in module.named_modules() if child}
        for local, parameter in module.named_parameters(recurse=opaque):
            if parameter.requires_grad:
                owner, path = _owner(modules, name, local)
                owners.setdefault(owner, {})[path] = parameter
    return [_layer(name, modules[name], parameters) for name, parameters in owners.items()]


def _owner(modules, name, local):
    """The module that runs, for parameters that stand in a list or dictionary of parameters."""
    while isinstance(modules[name], _CONTAINERS):
        name, _, last = name.rpartition(".")
        local = f"{last}.{local}"
    return name, local


def _layer(name, module, parameters):
    layer = Layer(name, module, parameters, rule_for(module))
    for local, parameter in parameters.items():
        if isinstance(parameter, nn.UninitializedParameter) or not parameter.is_floating_point():
            raise ValueError(f"{local} of {layer} must be an initialised real parameter, got {parameter.dtype}")
    dropout = any(isinstance(part, _DropoutNd) and part.p > 0 for part in module.modules())
    dropout |= isinstance(module, (*_OPAQUE, nn.RNNBase)) and module.dropout > 0
    if layer.rule is None and dropout:
        raise ValueError(
            f"{layer} has parameters of its own ({', '.join(parameters)}), no rule, and dropout inside: its forward "
            "cannot be repeated; freeze them, move them to a module of their own, or register_rule"
        )
    return layer


def _refuse_mixing(model):
    if isinstance(model, nn.DataParallel | nn.parallel.DistributedDataParallel) or hasattr(model, "_orig_mod"):
        raise ValueError(f"model must be the bare module, not wrapped or compiled, got {type(model).__name__}")
    for name, module in model.named_modules():
        if isinstance(module, _BatchNorm) or (isinstance(module, _InstanceNorm) and module.track_running_stats):
            raise ValueError(f"{name} ({type(module).__name__}) mixes the examples of a batch; use GroupNorm instead")
        if isinstance(module, nn.Embedding) and (module.max_norm is not None or module.scale_grad_by_freq):
            raise ValueError(f"{name} (Embedding) uses max_norm or scale_grad_by_freq, which depend on the whole batch")


def add_factors(found, layer, inputs, grads, size):
    """Apply a layer's rule to one call's input and output gradient; `found` maps parameters to lists of factors.

    Raises
    ------
    ValueError
        The batch of `size` examples does not come first.
    """
    for tensor in (inputs, grads):
        if tensor.dim() == 0 or len(tensor) != size:
            raise ValueError(
                f"{layer} saw a tensor of shape {tuple(tensor.shape)} where "
                f"the batch of {size} must come first; inputs shared by all examples (position ids of batch 1) must "
                "be expanded, see prepare(), and tokens kept apart from examples"
            )
    _add(found, layer, layer.rule(layer.module, inputs, grads), size)


def _add(found, layer, gradients, size):
    for name, parameter in layer.parameters.items():
        factor = gradients.get(name)
        if isinstance(factor, torch.Tensor):
            shape = (size, *parameter.shape)
            if factor.shape != shape:
                raise ValueError(f"{name} of {layer} must have gradients {shape}, its rule gave {(*factor.shape,)}")
            factor = Dense(factor)
        if factor is not None:
            found[parameter].append(factor)


class Stash:
    """Hooks on a model's layers, and one backward pass that yields per-example gradients in factored form.

    Attributes
    ----------
    half : bool
        Whether a gradient in half precision was seen.
    """

    def __init__(self, model):
        self.half = False
        self.layers = find_layers(model)
        self._raw = [parameter for layer in self.layers if not layer.rule for parameter in layer.parameters.values()]
        self._roots = []
        self._size = None  # of the batch, during a backward pass of ours
        self._found, self._calls = defaultdict(list), []
        self._hooks = [
            layer.module.register_forward_hook(partial(self._forward, layer), with_kwargs=True) for layer in self.layers
        ]

    def remove(self):
        """Take the hooks off the model."""
        for hook in self._hooks:
            hook.remove()

    def collect(self, total, size):
        """Factors of every parameter's per-example gradients.

        Parameters
        ----------
        total : Tensor
            Sum of the losses.
        size : int
            B.

        Returns
        -------
        dict
            Parameter to list of factors, one for each use.
        """
        roots, self._roots = self._roots + self._raw, []
        self._size = size
        try:
            if roots:
                torch.autograd.grad(total, roots, allow_unused=True)
            for call in self._calls:
                layer, arguments, cotangents = call
                try:
                    gradients = per_example(layer.module, layer.parameters, arguments, cotangents, size)
                except RuntimeError as error:
                    raise RuntimeError(
                        f"{layer} has no rule, and its forward cannot be repeated example by example: freeze its "
                        "parameters, or register_rule"
                    ) from error
                _add(self._found, layer, gradients, size)
            if not self._found:
                raise RuntimeError(
                    "no trainable layer ran with gradients since the last backward pass: losses must come from the "
                    "model, and activation checkpointing needs use_reentrant=False"
                )
            return dict(self._found)
        finally:
            self._found, self._calls, self._size = defaultdict(list), [], None

    def _forward(self, layer, module, args, kwargs, output):
        if self._size is not None or not torch.is_grad_enabled():
            return  # recomputed under activation checkpointing or by `per_example`; or evaluation
        if layer.rule is None:
            self._forward_unknown(layer, (args, kwargs), output)
            return
        inputs, output = layer.tensors(args, kwargs, output)
        if not output.requires_grad:
            return
        output.register_hook(partial(self._arrived, layer, [inputs], inputs._version))
        if not inputs.requires_grad or inputs.is_leaf:
            self._roots.append(get_gradient_edge(output))

    def _arrived(self, layer, held, version, grads):
        if self._size is None:
            return
        inputs = held.pop()  # the hook lives as long as the losses; what it held need not
        if inputs._version != version:
            raise RuntimeError(f"the input of {layer} was changed in place after its forward pass")
        self.half |= grads.dtype in HALF
        add_factors(self._found, layer, inputs, grads, self._size)

    def _forward_unknown(self, layer, arguments, output):
        outputs = tree_flatten(output)[0]
        call = (layer, arguments, [None] * len(outputs))
        for k, tensor in enumerate(outputs):
            if isinstance(tensor, torch.Tensor) and tensor.requires_grad:
                tensor.register_hook(partial(self._arrived_unknown, call, k))

    def _arrived_unknown(self, call, k, grads):
        if self._size is None:
            return
        if len(grads) != self._size:
            raise ValueError(
                f"{call[0]} gave an output of shape {(*grads.shape,)} where the batch of {self._size} must come first"
            )
        self.half |= grads.dtype in HALF
        if all(other is None for other in call[2]):
            self._calls.append(call)
        call[2][k] = grads
