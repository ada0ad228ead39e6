"""The settings that the benchmarks share."""

from dataclasses import dataclass

import numpy as np

TARGET = 8.0  # the epsilon that the fine-tuning runs aim at
SIZES = {"MNLI": 392702, "QQP": 363849, "QNLI": 104743, "SST-2": 67349}
BATCH, EPOCHS = 2000, 20


@dataclass(frozen=True)
class Setting:
    """A DP-SGD run and the delta at which its epsilon is wanted."""

    name: str
    sigma: float
    q: float
    steps: int
    delta: float

    @property
    def arguments(self):
        return self.sigma, self.q, self.steps, self.delta


def _fine_tuning(task, delta, sigma):
    size = SIZES[task]
    return Setting(f"{task} {delta:.0e}".replace("e-0", "e-"), sigma, BATCH / size, EPOCHS * (size // BATCH), delta)


#: Batch 2000 and 20 epochs, with the noise multipliers that EW-Tune (arXiv:2210.15042) published.
FINE_TUNING = (
    _fine_tuning("MNLI", 1e-5, 0.5570),
    _fine_tuning("MNLI", 1e-6, 0.5730),
    _fine_tuning("QQP", 1e-5, 0.5635),
    _fine_tuning("QQP", 1e-6, 0.5800),
    _fine_tuning("QNLI", 1e-5, 0.7110),
    _fine_tuning("QNLI", 1e-6, 0.7395),
    _fine_tuning("SST-2", 1e-5, 0.7865),
    _fine_tuning("SST-2", 1e-4, 0.7470),
)

#: Where discretised privacy losses have a hard time.
HARD = (
    Setting("delta 1e-12", 1.0, 0.01, 1000, 1e-12),
    Setting("delta 1e-15", 1.0, 0.01, 1000, 1e-15),
    Setting("tiny q", 1.0, 1e-5, 100_000, 1e-8),
    Setting("small sigma", 0.3, 0.01, 1000, 1e-5),
    Setting("large sigma", 100.0, 0.01, 10_000, 1e-6),
    Setting("many steps", 10.0, 0.01, 1_000_000, 1e-6),
)

BY_NAME = {setting.name: setting for setting in (*FINE_TUNING, *HARD)}

STEPS = tuple(10**k for k in range(3, 10))


def fixed_rate(steps):
    """Ever more of the same steps: epsilon grows without limit."""
    return Setting(f"{steps:.0e} steps", 1.0, 0.01, steps, 1e-5)


def scaled_rate(steps):
    """More, but smaller batches: q * sqrt(steps), and with it epsilon, stays about the same."""
    return Setting(f"{steps:.0e} steps", 1.0, 0.02 * (1000 / steps) ** 0.5, steps, 1e-5)


#: Runs as they are trained; smaller rates and fewer steps take longer (README, Limits).
RANGES = "sigma in [0.5, 4], q in [5e-3, 0.1], steps in [1e3, 1e5], delta in [1e-8, 1e-5], each log-uniform"


def random_settings(count, seed=1):
    """`count` settings drawn from RANGES: arrays sigma, q, steps, delta."""
    generator = np.random.default_rng(seed)

    def draw(low, high):
        return np.exp(generator.uniform(np.log(low), np.log(high), count))

    return draw(0.5, 4), draw(5e-3, 0.1), np.rint(draw(1e3, 1e5)).astype(np.int64), draw(1e-8, 1e-5)
