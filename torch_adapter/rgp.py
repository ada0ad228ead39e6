"""Reparametrised gradient perturbation: a large weight is clipped and noised through two thin factors.

Let G be the gradient of a weight W (p, d), and L (p, r), R (r, d) a pair of *gradient carriers*, L with orthonormal
columns and R with orthonormal rows.  The layer runs as (W - L R) a + L (R a) with W - L R constant: its output is that
of W, and the gradients of the carriers are dL = G R^T and dR = L^T G, r (p + d) numbers instead of p d.  Only those are
clipped and noised.  The matrices A R + L B, for all A and B, form a linear space, and

    dL R + L dR - L (L^T dL) R  =  G R^T R + L L^T G - L L^T G R^T R

is the orthogonal projection of G onto it; this is what the optimizer gets as the gradient of W.  Yu, Zhang, Chen, Yin,
Liu, "Large scale private learning via low-rank reparametrization", ICML 2021, arXiv:2106.09352, who introduced the
method, and EW-Tune's code add the last term instead of subtracting it: the part L L^T G R^T R of the gradient then
counts three times.
"""

import torch
from torch import nn

_KINDS = ("Linear", "Conv1D")  # Conv1D: GPT-2's linear map with the weight transposed


class _Carriers(nn.Module):
    """L and R of one weight as two linear maps, and how often they were drawn."""

    def __init__(self, shape, rank, like):
        super().__init__()
        options = {"bias": False, "device": like.device, "dtype": like.dtype}
        self.right = nn.utils.skip_init(nn.Linear, shape[1], rank, **options)
        self.left = nn.utils.skip_init(nn.Linear, rank, shape[0], **options)
        self.register_buffer("draws", torch.zeros((), dtype=torch.int64))

    def forward(self, inputs):
        return self.left(self.right(inputs))

    @torch.no_grad()
    def redraw(self, weight, stream, momentum):
        """One power iteration on `weight`, begun at random or near the last carriers."""
        rank, wide = self.right.weight.shape[0], torch.promote_types(weight.dtype, torch.float32)
        generator = torch.Generator().manual_seed((int(self.draws) << 20) + stream)
        start = torch.randn(weight.shape[1], rank, generator=generator, dtype=torch.float64)
        start = torch.linalg.qr(start)[0].to(weight.device, wide)
        if self.draws:
            start = momentum * self.right.weight.to(wide).T + (1 - momentum) * start
        left = torch.linalg.qr(weight.to(wide) @ start)[0]
        right = torch.linalg.qr(weight.to(wide).T @ left)[0]
        self.left.weight.copy_(left)
        self.right.weight.copy_(right.T)
        self.draws += 1

    @torch.no_grad()
    def gradient(self, sign):
        """The gradient of the weight that those of the carriers stand for."""
        left, right = self.left.weight, self.right.weight
        by_left, by_right = left.grad.to(left.dtype), right.grad.to(left.dtype)
        return by_left @ right + left @ (by_right + sign * (left.T @ by_left) @ right)


class RGP:
    """Train a model's large weights by the gradients of low-rank carriers (see above), everything else directly.

    The carriers become submodules of the layers, so that whatever saves the model's `state_dict` saves them; the
    weights themselves stop requiring gradients, and `attach` lets the optimizer move them all the same.  After every
    step the carriers are drawn anew, a function of the released weight and public random numbers.

    Guarantee: as `DPEngine`.  What is clipped and noised is the gradient of all trained parameters jointly, carriers in
    place of their weights; the rest is computed from that.

    Parameters
    ----------
    model : Module
        Linear layers, also GPT-2's Conv1D; call `prepare` on it before, if at all.
    rank : int
        r, from 1 to the smaller side of every weight.
    targets : sequence of str, optional
        Names of layers, or ends of names ("query", "output.dense"); if not given, every linear layer in a
        `ModuleList`, which is where Hugging Face models keep their blocks.
    momentum : float
        In [0, 1): how near to the last R the power iteration begins, from 0, a fresh random start (the published
        code), towards 1, the last R itself.
    published_sign : bool
        Add the last term, as the published code does: no longer a projection, and not recommended.

    Raises
    ------
    ValueError, TypeError
        An argument is out of range, a target names no linear layer with a trainable weight of its own, or there is no
        target.

    Examples
    --------
    >>> from edgeworth_acct.torch_adapter import DPEngine, DPPlan
    >>> model = nn.Sequential(nn.Linear(8, 6), nn.Tanh(), nn.Linear(6, 2))
    >>> rgp = RGP(model, rank=2, targets=["0"])
    >>> optimizer = rgp.attach(torch.optim.AdamW(rgp.parameters(), lr=1e-3))
    >>> engine = DPEngine(model, optimizer, DPPlan(n=100, expected_batch=10, steps=5, sigma=1.0, delta=1e-3))
    >>> sorted(name for name in engine.parameters if name.startswith("0"))
    ['0.bias', '0.carriers.left.weight', '0.carriers.right.weight']
    >>> rgp.detach()  # after training: a plain model again
    >>> list(model.state_dict())
    ['0.weight', '0.bias', '2.weight', '2.bias']
    """

    def __init__(self, model, rank=1, targets=None, *, momentum=0.5, published_sign=False):
        if not isinstance(momentum, int | float) or not 0 <= momentum < 1:
            raise ValueError(f"momentum must be in [0, 1), got {momentum!r}")
        self.model, self.momentum, self.sign = model, momentum, 1.0 if published_sign else -1.0
        self._layers = _targets(model, targets)
        self._handles = []
        shapes = {name: _matrix(module).shape for name, module in self._layers.items()}
        for name, shape in shapes.items():
            if isinstance(rank, bool) or not isinstance(rank, int) or not 1 <= rank <= min(shape):
                raise ValueError(f"rank must be an integer from 1 to {min(shape)} for {name} {(*shape,)}, got {rank!r}")
        for name, module in self._layers.items():
            module.weight.requires_grad_(False)
            module.carriers = _Carriers(shapes[name], rank, module.weight)
            self._handles.append(module.register_forward_hook(_through_carriers))
        self.redraw()

    def parameters(self):
        """What the optimizer must hold: the model's trainable parameters, and the weights behind the carriers."""
        trained = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        return trained + [module.weight for module in self._layers.values()]

    def attach(self, optimizer):
        """Let every step of `optimizer` move the weights by their carriers' gradients; returns it.

        Raises
        ------
        ValueError
            It does not hold the weights: give it `RGP.parameters`.
        """
        held = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
        missing = [name for name, module in self._layers.items() if id(module.weight) not in held]
        if missing:
            raise ValueError(f"optimizer must hold RGP.parameters(), it lacks the weights of {', '.join(missing)}")
        self._handles.append(optimizer.register_step_pre_hook(self._map_back))
        self._handles.append(optimizer.register_step_post_hook(self._moved))
        return optimizer

    def redraw(self):
        """Draw all carriers anew."""
        for stream, module in enumerate(self._layers.values()):
            module.carriers.redraw(_matrix(module), stream, self.momentum)

    def detach(self):
        """Take carriers and hooks off; the weights require gradients again, with all that they have learnt."""
        for handle in self._handles:
            handle.remove()
        for module in self._layers.values():
            del module.carriers
            module.weight.requires_grad_(True)
        self._handles, self._layers = [], {}

    def _map_back(self, optimizer, args, kwargs):
        for module in self._layers.values():
            carriers = module.carriers
            gradient = carriers.gradient(self.sign)
            module.weight.grad = gradient.T if _is_transposed(module) else gradient
            carriers.left.weight.grad = carriers.right.weight.grad = None

    def _moved(self, optimizer, args, kwargs):
        for module in self._layers.values():
            module.weight.grad = None
        self.redraw()


def _through_carriers(module, args, output):
    """Send the output's gradient to the carriers; its value stays, and its input's gradient is that of the weight."""
    if not torch.is_grad_enabled():
        return output
    carried = module.carriers(args[0].detach())
    return output + (carried - carried.detach())


def _is_transposed(module):
    return type(module).__name__ == "Conv1D"


def _matrix(module):
    """The weight as (outputs, inputs)."""
    weight = module.weight.detach()
    return weight.T if _is_transposed(module) else weight


def _targets(model, targets):
    """Layers by name."""
    if isinstance(targets, str):
        raise TypeError(f"targets must be a sequence of names, got the string {targets!r}")
    modules = dict(model.named_modules())
    chosen = _in_blocks(modules) if targets is None else _named(modules, targets)
    _check(model, chosen)
    return {name: modules[name] for name in chosen}


def _in_blocks(modules):
    blocks = tuple(f"{name}." for name, module in modules.items() if isinstance(module, nn.ModuleList))
    chosen = [
        name
        for name, module in modules.items()
        if type(module).__name__ in _KINDS and module.weight.requires_grad and name.startswith(blocks)
    ]
    if not chosen:
        raise ValueError("targets must be given: the model has no trainable linear layer in a ModuleList")
    return chosen


def _named(modules, targets):
    chosen = []
    for target in targets:
        found = [name for name in modules if name == target or name.endswith(f".{target}")]
        if not found:
            raise ValueError(f"targets must be names of layers, or ends of them, got {target!r}")
        for name in found:
            kind = type(modules[name])
            if not (issubclass(kind, nn.Linear) or kind.__name__ in _KINDS):
                raise ValueError(f"targets must be linear layers, {name} is a {kind.__name__}")
        chosen += [name for name in found if name not in chosen]
    return chosen


def _check(model, chosen):
    """Refuse layers whose weight is not theirs to train."""
    modules, uses = dict(model.named_modules()), {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        uses.setdefault(parameter, []).append(name)
    for name in chosen:
        weight = modules[name].weight
        if not weight.requires_grad:
            raise ValueError(f"targets must have trainable weights, that of {name} is frozen")
        if len(uses[weight]) > 1:
            raise ValueError(f"targets must not share their weights, got {' = '.join(uses[weight])}")
        parent = modules[name.rpartition(".")[0]]
        if isinstance(parent, nn.MultiheadAttention):
            raise ValueError(f"targets must be called by the model, {name} is not: MultiheadAttention uses its weight")
