"""Make a Hugging Face model ready for per-example gradients, and say what was found."""

from collections import defaultdict
from dataclasses import dataclass
from inspect import signature

import torch
from torch import nn

from edgeworth_acct.torch_adapter.capture import find_layers


@dataclass(frozen=True)
class Report:
    """What `prepare` found.

    Attributes
    ----------
    trainable, total : int
        Numbers of parameters (scalars).
    tied : tuple of tuple of str
        Names that share a trainable parameter; clipped as the one parameter it is.
    without_rule : tuple of str
        Layers that go through the slower vmap fallback.
    position_ids : bool
        Whether the model now gets position ids expanded to the batch.
    """

    trainable: int
    total: int
    tied: tuple
    without_rule: tuple
    position_ids: bool

    def __str__(self):
        lines = [f"{self.trainable} of {self.total} parameters are trained"]
        lines += [f"tied: {' = '.join(names)}" for names in self.tied]
        lines += [f"no rule, repeated under vmap: {name}" for name in self.without_rule]
        if self.position_ids:
            lines.append("position ids are expanded to the batch")
        return "\n".join(lines)


def prepare(model: nn.Module) -> Report:
    """Check a model, and give a Hugging Face model position ids of its batch's size where it would share one row.

    A forward pre-hook adds the argument `position_ids`; nothing is replaced.  Whether that is needed, and that the
    model's outputs stay exactly as they were, is tried on two short inputs.

    Parameters
    ----------
    model : Module
        Any model; position ids matter only to those that take `input_ids` and no `decoder_input_ids`.

    Returns
    -------
    Report

    Raises
    ------
    ValueError
        The model mixes examples (BatchNorm), a trainable parameter has no exact gradient, or an embedding is shared by
        the batch and the model does not take `position_ids`.

    Examples
    --------
    >>> print(prepare(nn.Sequential(nn.Embedding(10, 4), nn.Linear(4, 2))))
    50 of 50 parameters are trained
    """
    layers = find_layers(model)
    names = defaultdict(list)
    for name, parameter in model.named_parameters(remove_duplicate=False):
        if parameter.requires_grad:
            names[parameter].append(name)
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    takes = signature(base.forward).parameters
    return Report(
        trainable=sum(parameter.numel() for parameter in names),
        total=sum(parameter.numel() for parameter in model.parameters()),
        tied=tuple(tuple(group) for group in names.values() if len(group) > 1),
        without_rule=tuple(layer.name for layer in layers if layer.rule is None),
        position_ids="input_ids" in takes and "decoder_input_ids" not in takes and _expand_position_ids(model, base),
    )


def _expand_position_ids(model, base):
    trained = [layer for layer in find_layers(model) if isinstance(layer.module, nn.Embedding)]
    shared, before = _shared_embeddings(base, trained)
    if not shared:
        return False
    if "position_ids" not in signature(base.forward).parameters:
        raise ValueError(f"{', '.join(shared)} is shared by the batch and {type(base).__name__} takes no position_ids")
    hook = base.register_forward_pre_hook(_with_position_ids, with_kwargs=True)
    shared, after = _shared_embeddings(base, trained)
    if shared or not torch.equal(before, after):
        hook.remove()
        raise ValueError(f"{type(base).__name__} gives other outputs with explicit position_ids: pass them yourself")
    return True


def _with_position_ids(module, args, kwargs):
    ids = args[0] if args else kwargs.get("input_ids", kwargs.get("inputs_embeds"))
    if ids is not None and kwargs.get("position_ids") is None:
        positions = torch.arange(ids.shape[1], device=ids.device).expand(ids.shape[0], -1)
        return args, {**kwargs, "position_ids": positions}
    return None


def _shared_embeddings(base, layers):
    """Names of embeddings that see a batch of 1 where the model sees 2, and the model's first output."""
    shared = []

    def look(layer):
        return lambda module, args: shared.append(layer.name) if len(args[0]) == 1 else None

    hooks = [layer.module.register_forward_pre_hook(look(layer)) for layer in layers]
    device = next(base.parameters()).device
    modes = [(module, module.training) for module in base.modules()]
    base.eval()
    try:
        with torch.no_grad():
            return shared, base(input_ids=torch.full((2, 4), 2, device=device))[0]
    finally:
        for module, training in modes:
            module.training = training
        for hook in hooks:
            hook.remove()
