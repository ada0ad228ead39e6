"""What of a pretrained model is trained: everything, the head, low-rank adapters, or low-rank gradient carriers."""

from dataclasses import dataclass

from torch import nn

from edgeworth_acct.torch_adapter.rgp import RGP

METHODS = ("full", "head", "lora", "rgp")


@dataclass
class Trainee:
    """A model ready for training.

    Attributes
    ----------
    model : Module
    rgp : RGP or None
    head : tuple of str
        Names of the modules that are no part of the base model.
    """

    model: nn.Module
    rgp: RGP | None = None
    head: tuple = ()

    def groups(self, lr, head_lr=None):
        """Parameter groups for an optimizer: the head's may have a learning rate of their own.

        Parameters
        ----------
        lr, head_lr : float
        """
        trained = [p for p in self.model.parameters() if p.requires_grad] if self.rgp is None else self.rgp.parameters()
        if head_lr is None:
            return [{"params": trained, "lr": lr}]
        named = self.model.named_parameters()
        head = {id(parameter) for name, parameter in named if set(self.head) & set(name.split("."))}
        split = [p for p in trained if id(p) not in head], [p for p in trained if id(p) in head]
        return [{"params": part, "lr": rate} for part, rate in zip(split, (lr, head_lr)) if part]

    def finish(self):
        """The plain model again: adapters merged into their weights, carriers taken off."""
        if self.rgp is not None:
            self.rgp.detach()
        return self.model.merge_and_unload() if hasattr(self.model, "merge_and_unload") else self.model


def ready(
    model, method, *, rank=8, targets=None, alpha=16.0, biases=False, momentum=0.5, freeze_embeddings=False, **rgp
):
    """Freeze what a method does not train, and add what it needs.

    Parameters
    ----------
    model : PreTrainedModel
    method : {"full", "head", "lora", "rgp"}
        "head" trains what is not part of the base model, "full" everything, "lora" adapters and a classifier's head,
        "rgp" the blocks (large weights through carriers) and the head.
    rank : int
        Of "lora" and "rgp".
    targets : sequence of str, optional
        Layers of "lora" (peft's choice for the model if not given) and "rgp" (all linear layers of the blocks).
    alpha : float
        Of "lora".
    biases : bool
        With "lora": train all biases as well.
    momentum, published_sign
        Of `RGP`.
    freeze_embeddings : bool
        With "full"; the other methods never train them.

    Returns
    -------
    Trainee

    Raises
    ------
    ValueError
        The model has no head of its own to train.
    """
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}, got {method!r}")
    base = getattr(model, model.base_model_prefix)
    parts = {name: part for name, part in model.named_children() if name != model.base_model_prefix}
    head = [name for name, part in parts.items() if next(part.parameters(), None) is not None]
    if method == "lora":
        return Trainee(_lora(model, rank, alpha, targets, head, biases), head=tuple(head))
    if method == "head":
        shared = {id(parameter) for parameter in base.parameters()}
        own = [p for name in head for p in getattr(model, name).parameters() if id(p) not in shared]
        if not own:
            raise ValueError(f"method must not be 'head': {type(model).__name__} has no head of its own")
        base.requires_grad_(False)
    elif freeze_embeddings or method == "rgp":
        frozen = [module for module in model.modules() if isinstance(module, nn.Embedding)]
        pooler = getattr(base, "pooler", None)
        frozen += [pooler] if method == "rgp" and pooler is not None else []
        for module in frozen:
            module.requires_grad_(False)
    if method != "rgp":
        return Trainee(model, head=tuple(head))
    return Trainee(model, RGP(model, rank, targets, momentum=momentum, **rgp), tuple(head))


def _lora(model, rank, alpha, targets, head, biases):
    from peft import LoraConfig, get_peft_model

    writes = model.get_output_embeddings() is not None  # a language model's head is the size of its embedding
    config = LoraConfig(
        r=rank,
        lora_alpha=alpha,
        target_modules=None if targets is None else list(targets),
        bias="all" if biases else "none",
        modules_to_save=None if writes else head,
    )
    return get_peft_model(model, config)
