"""Private training of PyTorch models: Poisson sampling, clipping, noise and certified accounting as one thing.

>>> from edgeworth_acct.torch_adapter import DPPlan
>>> plan = DPPlan.calibrate(n=10_000, expected_batch=256, epochs=3, epsilon=3.0, delta=1e-5)
>>> plan.steps, plan.epsilon <= 3.0
(117, True)
"""

from edgeworth_acct.torch_adapter.engine import DPEngine
from edgeworth_acct.torch_adapter.optim import DPAdamW
from edgeworth_acct.torch_adapter.plan import DPPlan
from edgeworth_acct.torch_adapter.preparation import prepare
from edgeworth_acct.torch_adapter.rgp import RGP
from edgeworth_acct.torch_adapter.rules import register_rule
from edgeworth_acct.torch_adapter.training import Callback, FitResult, TrainingRun, fit

__all__ = [
    "RGP",
    "Callback",
    "DPAdamW",
    "DPEngine",
    "DPPlan",
    "FitResult",
    "TrainingRun",
    "fit",
    "prepare",
    "register_rule",
]
