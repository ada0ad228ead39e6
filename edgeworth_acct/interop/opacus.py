"""A drop-in accountant for Opacus, which also works alone.

>>> accountant = EdgeworthAccountant()
>>> for _ in range(1000):
...     accountant.step(noise_multiplier=1.0, sample_rate=0.01)
>>> len(accountant), f"{accountant.get_epsilon(1e-5):.7f}"
(1000, '1.8282367')

After `register()` Opacus knows it by name: ``PrivacyEngine(accountant="edgeworth")``.
"""

import math
from collections import OrderedDict
from collections.abc import Callable

from edgeworth_acct.arguments import Q, STEPS, Argument, single
from edgeworth_acct.bounds import Bounds
from edgeworth_acct.composition import Run
from edgeworth_acct.interop.spent import Spent
from edgeworth_acct.mechanisms import SubsampledGaussian


def _is_missing(error):
    return error.name.partition(".")[0] in ("opacus", "torch")


try:
    from opacus.accountants.accountant import IAccountant
except ModuleNotFoundError as error:
    if not _is_missing(error):
        raise
    IAccountant = object  # whoever asks for no more than its methods needs neither

NOISE_MULTIPLIER = Argument("noise_multiplier", "finite and >= 0", lambda x: (x >= 0) & (x < math.inf))
SAMPLE_RATE = Argument("sample_rate", Q.allowed, Q.accepts)


class EdgeworthAccountant(IAccountant):
    """Accountant of DP-SGD with Poisson sampling whose epsilon is the upper end of a certified interval.

    Neighbouring data sets differ by one record, added or removed.  A history of different noise multipliers and
    sampling rates is composed, not approximated.

    Attributes
    ----------
    history : list of (float, float, int)
        Noise multiplier, sampling rate and number of steps of each stretch of equal steps; may be assigned.

    Notes
    -----
    Opacus samples with rate ``1 / len(data_loader)``.  Without ``poisson_sampling=True`` its batches are not what is
    accounted for here, nor by any of its own accountants.

    A step without noise makes epsilon infinite.  Below a noise multiplier of 0.1, where the library may not certify an
    interval, epsilon comes from the Renyi divergence of the best real order.

    Examples
    --------
    >>> accountant = EdgeworthAccountant()
    >>> accountant.history = [(1.0, 0.01, 500), (0.9, 0.02, 100)]
    >>> lower, upper = accountant.get_epsilon_bounds(1e-5)
    >>> lower <= accountant.get_epsilon(1e-5) == upper < lower * (1 + 1e-6)
    True
    """

    def __init__(self):
        self.history = []

    def step(self, *, noise_multiplier: float, sample_rate: float):
        """Account for one optimisation step."""
        stretch = single(NOISE_MULTIPLIER, noise_multiplier), single(SAMPLE_RATE, sample_rate)
        if self.history and tuple(self.history[-1][:2]) == stretch:
            self.history[-1] = (*stretch, self.history[-1][2] + 1)
        else:
            self.history.append((*stretch, 1))

    def get_epsilon(self, delta: float, *args, **kwargs) -> float:
        """Epsilon at `delta`, rounded up; other accountants' arguments (`eps_error`, `alphas`, ...) change nothing."""
        return self._spent().epsilon(delta)

    def get_epsilon_bounds(self, delta: float) -> Bounds:
        """Epsilon from both sides."""
        return self._spent().epsilon_bounds(delta)

    def get_delta(self, epsilon: float) -> float:
        """Delta at `epsilon`, any real number, rounded up."""
        return self._spent().delta(epsilon)

    def get_advantage(self) -> float:
        """Advantage of the best membership attack, true minus false positive rate, rounded up."""
        return self._spent().delta(0.0)

    def get_beta(self, alpha: float) -> float:
        """Least false negative rate of any attack with false positive rate `alpha`, rounded down."""
        return self._spent().beta(alpha)

    def run(self) -> Run:
        """The history as a run, for further questions and for merging stages with ``+``."""
        return self._spent().run

    def __len__(self) -> int:
        """Number of optimisation steps."""
        return sum(int(steps) for _, _, steps in self.history)

    @classmethod
    def mechanism(cls) -> str:
        """The name under which `register` registers it."""
        return "edgeworth"

    def get_optimizer_hook_fn(self, sample_rate: float) -> Callable:
        """A function for Opacus' optimizer to call after each step."""

        def hook(optimizer):
            rate = sample_rate * optimizer.accumulated_iterations
            self.step(noise_multiplier=optimizer.noise_multiplier, sample_rate=rate)

        return hook

    def state_dict(self, destination=None):
        """The history and the name of the accountant, in a new dictionary or in `destination`."""
        destination = OrderedDict() if destination is None else destination
        destination["history"] = [tuple(stretch) for stretch in self.history]
        destination["mechanism"] = self.mechanism()
        return destination

    def load_state_dict(self, state_dict):
        """Take over the history of a `state_dict`.

        Raises
        ------
        ValueError
            It is empty, incomplete, or of another accountant.
        """
        if not state_dict or not {"history", "mechanism"} <= set(state_dict):
            raise ValueError("state_dict must hold a history and the name of its accountant (mechanism)")
        if state_dict["mechanism"] != self.mechanism():
            raise ValueError(
                f"state_dict must be of the accountant {self.mechanism()!r}, got {state_dict['mechanism']!r}; "
                "its steps can be taken over by assigning its history"
            )
        self.history = [tuple(stretch) for stretch in state_dict["history"]]

    def _spent(self):
        stretches = [
            (single(NOISE_MULTIPLIER, sigma), single(SAMPLE_RATE, q), single(STEPS, steps))
            for sigma, q, steps in self.history
        ]
        return Spent(
            "add_or_remove",
            Run((SubsampledGaussian(sigma, q), steps) for sigma, q, steps in stretches if sigma > 0.0),
            pure=math.inf if stretches else 0.0,
            private=all(sigma > 0.0 for sigma, _, _ in stretches),
        )


def register(force: bool = False):
    """Make Opacus know the accountant as "edgeworth"; once is enough, again does nothing.

    Parameters
    ----------
    force : bool
        Replace another accountant of this name.

    Raises
    ------
    ModuleNotFoundError
        Opacus is not installed.
    ValueError
        There is another accountant of this name.
    """
    try:
        from opacus.accountants.registry import _ACCOUNTANTS, register_accountant
    except ModuleNotFoundError as error:
        if not _is_missing(error):
            raise
        raise ModuleNotFoundError("register() needs Opacus: pip install opacus", name=error.name) from None
    name = EdgeworthAccountant.mechanism()
    if _ACCOUNTANTS.get(name) is not EdgeworthAccountant:
        register_accountant(name, EdgeworthAccountant, force=force)
