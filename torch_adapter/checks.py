"""What would silently break the guarantee, looked for before and during training."""

import inspect

import torch

from edgeworth_acct.torch_adapter.factors import weighted_sum, wide


def check_optimizer(optimizer, parameters):
    """Refuse an optimizer that trains other parameters than these (by name), or evaluates the model in its step."""
    closure = inspect.signature(optimizer.step).parameters.get("closure")
    if closure is not None and closure.default is closure.empty:
        raise ValueError(f"optimizer must step without a closure, {type(optimizer).__name__} needs one")
    if not parameters:
        raise ValueError("model must have a parameter that requires gradients")
    trained = {id(parameter) for parameter in parameters.values()}
    held = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    strangers = [tuple(p.shape) for p in held if p.requires_grad and id(p) not in trained]
    if strangers:
        raise ValueError(f"optimizer must hold parameters of the model only, got others of shapes {strangers}")
    missing = [name for name, parameter in parameters.items() if id(parameter) not in {id(p) for p in held}]
    if missing:
        raise ValueError(f"optimizer must hold all trainable parameters of the model, it lacks {', '.join(missing)}")


class Reference:
    """Gradients by autograd to compare per-example gradients with: of the sum of all losses, and of one loss alone.

    The sum shows parameters that are used outside their module's forward, and rules that are wrong.  The one loss shows
    a model that mixes examples: other examples' activations then have a part in it, or its own in other losses.

    Parameters
    ----------
    losses : Tensor
        Shape (B,); the graph is kept.
    parameters : dict
        Name to parameter.
    example : int
        The one whose loss is looked at alone.
    """

    def __init__(self, losses, parameters, example):
        self.parameters = parameters
        alone = torch.zeros_like(losses)
        alone[example] = 1
        self._cases = [
            (weights, torch.autograd.grad(losses, list(parameters.values()), weights, True, allow_unused=True), reason)
            for weights, reason in ((torch.ones_like(losses), _OUTSIDE), (alone, _MIXED))
        ]

    def check(self, found, squares, half):
        """Compare.

        Gradients that are rounding errors (of a key's bias, which attention ignores) are allowed to differ by them.

        Parameters
        ----------
        found : dict
            Parameter to factors of the per-example gradients.
        squares : dict
            Parameter to squared norms (B,).
        half : bool
            Whether activations are in half precision.

        Raises
        ------
        RuntimeError
            They differ; the message names the parameter.
        """
        for weights, gradients, reason in self._cases:
            sizes = {parameter: square.sqrt() @ weights.to(square.dtype) for parameter, square in squares.items()}
            rounding = max(torch.finfo(size.dtype).eps for size in sizes.values()) ** 0.5 * sum(sizes.values())
            for (name, parameter), expected in zip(self.parameters.items(), gradients):
                if expected is None:
                    continue
                if parameter in found:
                    mine = weights.to(squares[parameter].dtype)
                    gap = weighted_sum(found[parameter], mine, parameter.shape) - wide(expected)
                    allowed = (0.05 if half else 0.01) * sizes[parameter] + rounding
                    agrees = torch.linalg.vector_norm(gap) <= allowed
                else:
                    agrees = not expected.any()
                if not agrees:
                    raise RuntimeError(f"per-example gradients of {name} {reason}")


_OUTSIDE = (
    "do not add up to its gradient: it is used outside the forward of its module, its rule is wrong, or its module's "
    "input requires grad though nothing trainable comes before it"
)
_MIXED = (
    "are not the gradients of one example's loss each: the model mixes the examples of a batch, or the batch does not "
    "come first everywhere"
)
