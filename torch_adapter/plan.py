"""What a private training run will do and what it will cost, fixed before the first step."""

import json
import math
from dataclasses import dataclass, field, fields

import edgeworth_acct as ea
from edgeworth_acct.bounds import Bounds
from edgeworth_acct.torch_adapter.arguments import choose, number

CLIPPINGS = ("flat", "auto")
SAMPLINGS = ("poisson", "unamplified")
_FORMAT = "edgeworth_acct.DPPlan/1"
_SMALLEST_CLIP = 1e-12


@dataclass(frozen=True)
class DPPlan:
    """A DP-SGD run: batches, steps, clipping, noise, and the certified privacy of the whole.

    Guarantee: a run of these steps, sampled and noised by `DPEngine`, is (`epsilon`, `delta`)-differentially private;
    `epsilon` is the upper end of the certified interval and is always computed, never taken from the caller.

    Parameters
    ----------
    n : int
        Records in the training set, a public number.
    expected_batch : float
        Records per logical step on average; the noised sum is divided by it.
    steps : int
        Logical steps.
    sigma : float
        Noise multiplier: the noise's standard deviation over `clip`.
    delta : float
        In (0, 1); below 1 / n to mean anything.
    clip : float
        Bound C on the Euclidean norm of one record's contribution to the sum, over all parameters jointly; above 1e-12,
        whose square float32 still holds.
    clipping : {"flat", "auto"}
        How a gradient of norm r is scaled: min(1, C / r), or C / (r + 0.01) (Bu et al., arXiv:2206.07136).
    adjacency : {"add_or_remove", "add", "remove", "replace_one"}
        As in `edgeworth_acct.epsilon`.
    sampling : {"poisson", "unamplified"}
        "poisson": every step draws each record with probability q = expected_batch / n, by `DPEngine.sampler`.
        "unamplified": batches come from elsewhere and nothing is claimed of them but that no record occurs twice in a
        logical step; accounted with q = 1.

    Raises
    ------
    ValueError, TypeError
        An argument is out of range or of the wrong type; the message names it, its value and the range.
    PrecisionError
        The accountant cannot certify this run.

    Examples
    --------
    >>> plan = DPPlan(n=67_349, expected_batch=2_000, steps=660, sigma=0.7865, delta=1e-5)
    >>> f"{plan.epsilon:.6f}"
    '8.289118'
    """

    n: int
    expected_batch: float
    steps: int
    sigma: float
    delta: float
    clip: float = 1.0
    clipping: str = "flat"
    adjacency: str = "add_or_remove"
    sampling: str = "poisson"
    bounds: Bounds = field(init=False, repr=False, compare=False)

    def __post_init__(self):
        ranges = ("n", 1, True), ("steps", 1, True), ("expected_batch", 0, False), ("clip", _SMALLEST_CLIP, False)
        for name, low, whole in ranges:
            object.__setattr__(self, name, number(name, getattr(self, name), low, whole))
        choose("clipping", self.clipping, CLIPPINGS)
        choose("sampling", self.sampling, SAMPLINGS)
        if self.expected_batch > self.n:
            raise ValueError(f"expected_batch must be at most n = {self.n}, got {self.expected_batch!r}")
        bounds = ea.epsilon_bounds(self.sigma, self.q, self.steps, self.delta, adjacency=self.adjacency)
        if not isinstance(bounds.upper, float):
            raise TypeError("sigma and delta must be single numbers")
        object.__setattr__(self, "bounds", bounds)

    @classmethod
    def calibrate(
        cls,
        *,
        n: int,
        expected_batch: float,
        epsilon: float,
        delta: float,
        steps: int | None = None,
        epochs: float | None = None,
        clip: float = 1.0,
        clipping: str = "flat",
        adjacency: str = "add_or_remove",
        sampling: str = "poisson",
    ) -> "DPPlan":
        """The plan with the smallest noise whose certified epsilon is within the budget.

        Guarantee: ``result.epsilon <= epsilon``; of many steps, the certificate's epsilon too.

        Parameters
        ----------
        epsilon : float
            Budget, in nats.
        steps, epochs : int or float
            Exactly one of them; `epochs` epochs are floor(n / expected_batch) steps each.
        n, expected_batch, delta, clip, clipping, adjacency, sampling
            As in `DPPlan`.

        Returns
        -------
        DPPlan

        Raises
        ------
        ValueError, TypeError
            As in `DPPlan`; or no noise multiplier meets the budget.

        Examples
        --------
        >>> plan = DPPlan.calibrate(n=67_349, expected_batch=2_000, epochs=20, epsilon=8.0, delta=1e-5)
        >>> print(plan)  # doctest: +ELLIPSIS
        DP-SGD plan
          records in the training set     67349
          expected batch                  2000  (q = 0.02969606082)
          sampling                        poisson: each record independently with probability q in every step
          logical steps                   660
          clip norm C                     1  (flat)
          noise multiplier sigma          0.798198...  (standard deviation sigma C on every coordinate of the sum)
          neighbours                      add_or_remove
          delta                           1e-05
          epsilon, certified              7.999999 <= exact <= 8.000000
        """
        if (steps is None) == (epochs is None):
            raise ValueError(f"exactly one of steps and epochs must be given, got steps={steps!r}, epochs={epochs!r}")
        n, expected_batch = number("n", n, 1, True), number("expected_batch", expected_batch, 0, False)
        choose("sampling", sampling, SAMPLINGS)
        if expected_batch > n:
            raise ValueError(f"expected_batch must be at most n = {n}, got {expected_batch!r}")
        if steps is None:
            steps = int(number("epochs", epochs, 0, False) * int(n / expected_batch))
            if steps < 1:
                raise ValueError(f"epochs must make at least one step of {expected_batch!r} records, got {epochs!r}")
        q = expected_batch / n if sampling == "poisson" else 1.0
        sigma = ea.noise_multiplier(epsilon, q, steps, delta, adjacency=adjacency)
        for more in (1e-9, 4e-9, 16e-9):  # a certificate's interval is as wide as that at the settings of training runs
            plan = cls(n, expected_batch, steps, sigma, delta, clip, clipping, adjacency, sampling)
            upper = plan.certificate()["epsilon"]["upper"]
            if isinstance(upper, float) and upper <= epsilon:
                break
            sigma *= 1 + more
        return plan

    @property
    def q(self) -> float:
        """Sampling rate that is accounted."""
        return self.expected_batch / self.n if self.sampling == "poisson" else 1.0

    @property
    def epsilon(self) -> float:
        """Certified upper bound for the whole run, in nats: the number to publish."""
        return self.bounds.upper

    @property
    def noise_std(self) -> float:
        """Standard deviation of the noise on every coordinate of the released mean: sigma C / expected_batch."""
        return self.sigma * self.clip / self.expected_batch

    def __str__(self):
        how = {
            "poisson": "poisson: each record independently with probability q in every step",
            "unamplified": "unamplified: batches from elsewhere, no record twice in a step",
        }
        rows = [
            ("records in the training set", f"{self.n}"),
            ("expected batch", f"{self.expected_batch:g}  (q = {self.q:.10g})"),
            ("sampling", how[self.sampling]),
            ("logical steps", f"{self.steps}"),
            ("clip norm C", f"{self.clip:g}  ({self.clipping})"),
            ("noise multiplier sigma", f"{self.sigma!r}  (standard deviation sigma C on every coordinate of the sum)"),
            ("neighbours", self.adjacency),
            ("delta", f"{self.delta:g}"),
            ("epsilon, certified", outward(self.bounds)),
        ]
        return "\n".join(["DP-SGD plan", *(f"  {name:<30}  {value}" for name, value in rows)])

    def to_json(self) -> str:
        """The plan as JSON; epsilon is written for the reader and computed anew by `from_json`."""
        values = {item.name: getattr(self, item.name) for item in fields(self) if item.init}
        return json.dumps({"format": _FORMAT, **values, "q": self.q, "epsilon": self.epsilon}, indent=2)

    @classmethod
    def from_json(cls, text: str) -> "DPPlan":
        """The plan that `to_json` wrote.

        Raises
        ------
        ValueError
            It is no plan, or claims a smaller epsilon than the accountant certifies.
        """
        try:
            values = json.loads(text)
            if values.pop("format") != _FORMAT:
                raise KeyError("format")
            claimed = values.pop("epsilon")
            del values["q"]
            plan = cls(**values)
        except (AttributeError, KeyError, TypeError, json.JSONDecodeError) as error:
            raise ValueError(f"text must be the JSON of a DPPlan, got {text[:80]!r}") from error
        if not claimed >= plan.epsilon:
            raise ValueError(f"epsilon must be at least the certified {plan.epsilon!r}, the plan claims {claimed!r}")
        return plan

    def run(self, steps: int | None = None) -> ea.Run:
        """The mechanism of `steps` steps, all of the plan's if not given, for edgeworth_acct's algebra."""
        steps = self.steps if steps is None else steps
        step = ea.SubsampledGaussian(self.sigma, self.q) if self.q < 1 else ea.Gaussian(self.sigma)
        return ea.Run(((step, steps),) if steps else ())

    def certificate(self, steps: int | None = None, **notes) -> dict:
        """A JSON-ready certificate that `edgeworth_acct.verify` checks without the C core.

        Guarantee: its epsilon holds for `steps` steps of this plan.  Its interval may be a little wider than `bounds`,
        which stands in ``["notes"]["training"]`` beside the plan.

        Parameters
        ----------
        steps : int, optional
            Steps released; all of the plan's if not given.
        **notes
            More of the training to be noted.
        """
        steps = self.steps if steps is None else steps
        bounds = Bounds(0.0, 0.0)
        if steps:
            bounds = ea.epsilon_bounds(self.sigma, self.q, steps, self.delta, adjacency=self.adjacency)
        training = {
            **{item.name: getattr(self, item.name) for item in fields(self) if item.init},
            "q": self.q,
            "released_steps": steps,
            "epsilon_bounds": list(bounds),
            **notes,
        }
        return self.run(steps).certificate(self.delta, adjacency=self.adjacency, notes={"training": training})


def outward(bounds):
    """An interval as text, its ends rounded away from each other."""
    low, high = (float(f"{math.floor(bounds.lower * 1e6)}e-6"), float(f"{math.ceil(bounds.upper * 1e6)}e-6"))
    return f"{low:.6f} <= exact <= {high:.6f}"
