"""AdamW that knows how much noise is in its gradients."""

import torch
from torch.optim import Optimizer


class DPAdamW(Optimizer):
    """AdamW; with `noise_std`, the noise's variance is subtracted from the second moment (DP-AdamBC).

    Under DP the second moment estimates g^2 + noise_std^2, and noise mostly decides the step.  The corrected
    denominator is sqrt(max(v - noise_std^2, floor^2)) + eps with v the usual unbiased estimate (Tang, Shpilevskiy,
    Lecuyer, arXiv:2312.14334).  Being post-processing of noised gradients it costs no privacy.  With
    ``noise_std=0`` this is torch.optim.AdamW.

    Parameters
    ----------
    params : iterable
        As in torch.optim.
    lr : float
    betas : (float, float)
    eps : float
    weight_decay : float
        Decoupled.
    noise_std : float
        Standard deviation of the noise on every coordinate of the gradient: ``plan.noise_std``.
    floor : float, optional
        Smallest corrected root mean square; ``noise_std / 10`` if not given.

    Raises
    ------
    ValueError
        A number is negative, or a beta is not in [0, 1).

    Examples
    --------
    >>> weight = torch.nn.Parameter(torch.ones(1))
    >>> optimizer = DPAdamW([weight], lr=0.1, noise_std=0.5)
    >>> weight.grad = torch.tensor([1.0])
    >>> optimizer.step()
    >>> round(weight.item(), 4)  # 1 - 0.1 / sqrt(1 - 0.25), less the decay
    0.8835
    """

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=1e-2, noise_std=0.0, floor=None):
        floor = noise_std / 10 if floor is None else floor
        numbers = {"lr": lr, "eps": eps, "weight_decay": weight_decay, "noise_std": noise_std, "floor": floor}
        for name, value in numbers.items():
            if not value >= 0:
                raise ValueError(f"{name} must be >= 0, got {value!r}")
        if not all(0 <= beta < 1 for beta in betas):
            raise ValueError(f"betas must be in [0, 1), got {betas!r}")
        super().__init__(params, {"betas": betas, **numbers})

    @torch.no_grad()
    def step(self, closure=None):
        """One step; parameters without a gradient stay."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._update(parameter, group)
        return loss

    def _update(self, parameter, group):
        state = self.state[parameter]
        if not state:
            state["step"] = 0
            state["mean"] = torch.zeros_like(parameter)
            state["square"] = torch.zeros_like(parameter)
        state["step"] += 1
        first, second = group["betas"]
        state["mean"].lerp_(parameter.grad, 1 - first)
        state["square"].mul_(second).addcmul_(parameter.grad, parameter.grad, value=1 - second)
        variance = state["square"] / (1 - second ** state["step"])
        if group["noise_std"]:
            variance.sub_(group["noise_std"] ** 2).clamp_min_(group["floor"] ** 2)
        parameter.mul_(1 - group["lr"] * group["weight_decay"])
        step_size = group["lr"] / (1 - first ** state["step"])
        parameter.addcdiv_(state["mean"], variance.sqrt_().add_(group["eps"]), value=-step_size)
