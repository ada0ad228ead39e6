"""Layer rules: from a layer's input and its output's gradient to the per-example gradients of its parameters.

A rule is ``rule(module, inputs, grads) -> {parameter name: Tensor | Dense | Outer | Rows}``; inputs and grads have the
batch first, and a plain tensor holds one gradient per example, (B, *parameter shape).  A module without a rule goes
through `per_example`: its own forward once more under `torch.func.vmap`, exact for any module that vmap can run.
"""

import torch
from torch import nn
from torch.func import functional_call, grad, vmap
from torch.nn import functional as F
from torch.utils._pytree import tree_flatten, tree_unflatten

from edgeworth_acct.torch_adapter.factors import Rows, outer, wide

_RULES = {}
# Hugging Face classes, by name so that transformers need not be imported.
_NAMED = {}


def register_rule(module_type, rule):
    """Use `rule` for a module type.

    Guarantee: none of its own.  A rule's result is what is clipped and released: it must be the exact per-example
    gradient, which `DPEngine` compares in sum, not example by example, with autograd's on the first micro-batch.

    Parameters
    ----------
    module_type : type
        A subclass of torch.nn.Module.  Subclasses that override `forward` need a rule of their own.
    rule : callable
        ``rule(module, inputs, grads) -> dict`` as described above; `inputs` is the first argument of the module's
        forward and `grads` the gradient of its single output.

    Raises
    ------
    TypeError
        `module_type` is not a module type, or `rule` cannot be called.

    Examples
    --------
    >>> class Scale(nn.Module):
    ...     def __init__(self, size):
    ...         super().__init__()
    ...         self.factor = nn.Parameter(torch.ones(size))
    ...     def forward(self, x):
    ...         return self.factor * x
    >>> register_rule(Scale, lambda module, x, g: {"factor": (x * g).flatten(1, -2).sum(1)})
    """
    if not (isinstance(module_type, type) and issubclass(module_type, nn.Module)):
        raise TypeError(f"module_type must be a subclass of torch.nn.Module, got {module_type!r}")
    if not callable(rule):
        raise TypeError(f"rule must be callable as rule(module, inputs, grads), got {rule!r}")
    _RULES[module_type] = rule


def rule_for(module):
    """The rule of a module's type, or of a base class whose `forward` it still has; None if there is none."""
    for kind in type(module).__mro__:
        if kind in _RULES and type(module).forward is kind.forward:
            return _RULES[kind]
    kind = type(module)
    return _NAMED.get(kind.__name__) if kind.__module__.startswith("transformers.") else None


def tokens(tensor):
    """(B, ..., d) as (B, T, d); one that is (B, T, d) stays the same object, so that its Gram matrix is shared."""
    if tensor.dim() == 3:
        return tensor
    return tensor[:, None] if tensor.dim() == 2 else tensor.flatten(1, -2)


def linear(module, inputs, grads):
    """Linear map with weight (out, in)."""
    return _affine(module, tokens(grads), tokens(inputs), tokens(grads))


def conv1d(module, inputs, grads):
    """GPT-2's Conv1D: a linear map with weight (in, out)."""
    return _affine(module, tokens(inputs), tokens(grads), tokens(grads))


def _affine(module, rows, columns, grads):
    result = {}
    if module.weight.requires_grad:
        # Under autocast the product was taken of inputs rounded like its outputs.
        result["weight"] = outer(rows.to(grads.dtype), columns.to(grads.dtype))
    if module.bias is not None:
        result["bias"] = grads.sum(1, dtype=wide(grads).dtype)
    return result


def embedding(module, inputs, grads):
    """Lookup table; rows of `padding_idx` have no gradient."""
    skip = -1 if module.padding_idx is None else module.padding_idx
    return {"weight": Rows(inputs.reshape(len(inputs), -1), tokens(grads), skip)}


def layer_norm(module, inputs, grads):
    """LayerNorm over the last dimensions."""
    normal = F.layer_norm(wide(inputs), module.normalized_shape, None, None, module.eps)
    return _scale_and_shift(normal, wide(grads), len(module.normalized_shape))


def rms_norm(module, inputs, grads):
    """torch.nn.RMSNorm over the last dimensions."""
    eps = torch.finfo(wide(inputs).dtype).eps if module.eps is None else module.eps
    return _root_mean_square(inputs, grads, len(module.normalized_shape), eps)


def named_rms_norm(module, inputs, grads):
    """RMSNorm of Hugging Face's Llama family and T5."""
    return _root_mean_square(inputs, grads, 1, module.variance_epsilon)


def _root_mean_square(inputs, grads, dims, eps):
    inputs = wide(inputs)
    size = inputs.square().mean(tuple(range(-dims, 0)), keepdim=True) + eps
    return {"weight": _summed((inputs * size.rsqrt()).mul_(wide(grads)), dims)}


def group_norm(module, inputs, grads):
    """GroupNorm over channels (dimension 1)."""
    normal = F.group_norm(wide(inputs), module.num_groups, None, None, module.eps)
    return _scale_and_shift(normal.movedim(1, -1), wide(grads).movedim(1, -1), 1)


def _scale_and_shift(normal, grads, dims):
    return {"bias": _summed(grads, dims), "weight": _summed(normal.mul_(grads), dims)}


def _summed(tensor, dims):
    """Sum over everything but the batch and the last `dims` dimensions."""
    between = tuple(range(1, tensor.dim() - dims))
    return tensor.sum(between) if between else tensor


def conv2d(module, inputs, grads):
    """Two-dimensional convolution: a linear map of unfolded patches, one per group."""
    if module.padding_mode == "zeros":
        padded = F.pad(inputs, _padding(module))
    else:
        padded = F.pad(inputs, _padding(module), mode=module.padding_mode)
    patches = F.unfold(padded, module.kernel_size, dilation=module.dilation, stride=module.stride)
    grads = grads.flatten(2)
    result = {"bias": grads.sum(2, dtype=wide(grads).dtype)} if module.bias is not None else {}
    if module.groups == 1:
        result["weight"] = outer(grads.transpose(1, 2), patches.transpose(1, 2))
    else:
        size, length = len(inputs), grads.shape[2]
        grouped = wide(grads).reshape(size, module.groups, -1, length)
        weight = grouped @ wide(patches).reshape(size, module.groups, -1, length).transpose(2, 3)
        result["weight"] = weight.reshape(size, *module.weight.shape)
    return result


def _padding(module):
    """(left, right, top, bottom) of a convolution."""
    if module.padding == "valid":
        return (0, 0, 0, 0)
    sides = []
    for k in (1, 0):
        if module.padding == "same":
            both = module.dilation[k] * (module.kernel_size[k] - 1)
            sides += [both // 2, both - both // 2]
        else:
            sides += [module.padding[k]] * 2
    return tuple(sides)


def per_example(module, parameters, arguments, cotangents, size):
    """Per-example gradients of any module by running it again, one example at a time, under vmap (RNNs in a loop).

    Parameters
    ----------
    module : Module
    parameters : dict
        Names, as in ``module.named_parameters()``, and parameters to differentiate; all others are constants.
    arguments : tuple
        ``(args, kwargs)`` of the forward call.  Tensors whose first dimension is `size` are split into examples.
    cotangents : list of (Tensor or None)
        Gradients of the outputs in flattened order.
    size : int
        B.

    Returns
    -------
    dict
        Name to tensor (B, *shape).
    """
    leaves, structure = tree_flatten(arguments)
    leaves = [_widened(leaf) if isinstance(leaf, torch.Tensor) else leaf for leaf in leaves]
    split = [k for k, leaf in enumerate(leaves) if _is_batch(leaf, size)]

    def inner_product(values, pieces, cotangents):
        single = list(leaves)
        for k, piece in zip(split, pieces):
            single[k] = piece[None]
        args, kwargs = tree_unflatten(single, structure)
        outputs, total = functional_call(module, constants | values, args, kwargs), 0.0
        for output, cotangent in zip(tree_flatten(outputs)[0], cotangents):
            if cotangent is not None:
                if output.shape != (1, *cotangent.shape):
                    raise ValueError(f"{type(module).__name__} has an output whose first dimension is not the batch")
                total = total + (wide(output) * cotangent[None]).sum()
        return total

    values = {name: _widened(parameter) for name, parameter in parameters.items()}
    mine = {id(parameter) for parameter in parameters.values()}
    everything = [*module.named_parameters(), *module.named_buffers()]
    constants = {name: _widened(tensor) for name, tensor in everything if id(tensor) not in mine}
    present = [None if cotangent is None else wide(cotangent) for cotangent in cotangents]
    pieces = [leaves[k] for k in split]
    with torch.enable_grad():
        if isinstance(module, nn.RNNBase):  # vmap cannot run it
            one = [([p[i] for p in pieces], [None if c is None else c[i] for c in present]) for i in range(size)]
            gradients = [grad(inner_product)(values, *arguments) for arguments in one]
            return {name: torch.stack([gradient[name] for gradient in gradients]) for name in values}
        dims = (None, [0] * len(split), [None if cotangent is None else 0 for cotangent in present])
        return vmap(grad(inner_product), in_dims=dims)(values, pieces, present)


def _widened(tensor):
    return wide(tensor.detach()) if tensor.is_floating_point() else tensor


def _is_batch(leaf, size):
    return isinstance(leaf, torch.Tensor) and leaf.dim() > 0 and len(leaf) == size


_RULES |= {
    nn.Linear: linear,
    nn.Embedding: embedding,
    nn.LayerNorm: layer_norm,
    nn.GroupNorm: group_norm,
    nn.Conv2d: conv2d,
}
if hasattr(nn, "RMSNorm"):  # torch 2.4
    _RULES[nn.RMSNorm] = rms_norm
_NAMED |= {"Conv1D": conv1d}
_NAMED |= dict.fromkeys(
    ("LlamaRMSNorm", "MistralRMSNorm", "MixtralRMSNorm", "Phi3RMSNorm", "Qwen2RMSNorm", "Qwen3RMSNorm", "T5LayerNorm"),
    named_rms_norm,
)
