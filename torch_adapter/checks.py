"""What would silently break the guarantee, looked for before and during training."""

import torch

from edgeworth_acct.torch_adapter.factors import wide


def check_optimizer(optimizer, parameters):
    """Refuse an optimizer that trains other parameters than these (by name)."""
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


def autograd_gradients(losses, parameters):
    """The gradients of the sum of `losses` as autograd sees them, by name; None where it sees no way."""
    gradients = torch.autograd.grad(losses.sum(), list(parameters.values()), retain_graph=True, allow_unused=True)
    return dict(zip(parameters, gradients))


def check_sums(reference, parameters, found, squares):
    """Compare the sum of all per-example gradients with autograd's.

    This finds parameters that are used outside their module's forward, and rules that are wrong.  Gradients that are
    rounding errors (of a key's bias, which attention ignores) are allowed to differ by them.

    Parameters
    ----------
    reference : dict
        Of `autograd_gradients`.
    parameters : dict
        Name to parameter.
    found : dict
        Parameter to factors of the per-example gradients.
    squares : dict
        Parameter to squared norms (B,).

    Raises
    ------
    RuntimeError
        They differ; the message names the parameter.
    """
    sizes = {parameter: square.sqrt().sum() for parameter, square in squares.items()}
    rounding = torch.finfo(next(iter(sizes.values())).dtype).eps ** 0.5 * sum(sizes.values())
    for name, expected in reference.items():
        parameter = parameters[name]
        if expected is None:
            continue
        if parameter in found:
            ones = torch.ones_like(squares[parameter])
            total = sum(factor.weighted(ones, None, parameter.shape) for factor in found[parameter])
            agrees = torch.linalg.vector_norm(total - wide(expected)) <= 0.05 * sizes[parameter] + rounding
        else:
            agrees = not expected.any()
        if not agrees:
            raise RuntimeError(
                f"per-example gradients of {name} do not add up to its gradient: it is used outside the forward of "
                "its module, its rule is wrong, or its module's input requires grad though nothing trainable comes "
                "before it"
            )
