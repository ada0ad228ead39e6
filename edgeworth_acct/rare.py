"""Totals of a run in which some step has a large loss, without a lattice (`grid`).

A step is big if its loss is above a cut.  Where all steps are small their sum goes on a lattice, which is the finer the
lower the cut.  Where one is big the total hardly ever falls below eps again, and if it does not, nothing but two
probabilities count: with (1 - x)_+ = 1 - x + (x - 1)_+,

    E[(1 - e^{eps-S})_+; big] = P(big) - e^eps E[e^{-S}; big] + E[(e^{eps-S} - 1)_+; big],

where P(big) = prod (m_i + b_i)^{n_i} - prod m_i^{n_i}, m_i and b_i the probabilities of a small and of a big step, and
E[e^{-S}; big] is the same with the means of T = e^{-loss} in their place.  The last term is >= 0, and as some step must
be a big one, and (x - 1)_+ <= x^r for r >= 1, at most the union bound

    stray(eps) = e^{r eps} sum_i n_i E[e^{-r S}; step i is big] = e^{r eps} prod_j M_j^{n_j} sum_i n_i B_i/M_i,
    M_i = E[e^{-r loss_i}], B_i the same of the big ones,

which bounds P(S <= eps; big), too.  No loss moves to a lattice here: where all steps are small they may, as (1 - e^eps
T)_+ is convex in each step's T, whatever is done where one is big.
"""

import math

import numpy as np


class Totals:
    """Sums over the totals with a big step.

    Parameters
    ----------
    steps : list of (int, outcomes.Outcomes, outcomes.Outcomes)
        For each law its count, its small outcomes and its big ones.
    rate : float
        The r of the union bound.
    """

    def __init__(self, steps, rate):
        self.rate, self.p, self.log_t, self.log_stray = rate, 0.0, (-math.inf, -math.inf), -math.inf
        if all(not len(big.p) for _, _, big in steps):
            return
        log_moment = share = 0.0
        for count, small, big in steps:
            alone, more = _log_sum(small.p, small.low, rate), _log_sum(big.p, big.low, rate)
            whole = np.logaddexp(alone, more)
            log_moment += count * whole
            share += count * math.exp(more - whole)
        self.log_stray = log_moment + _log(share)
        self.p = math.exp(_some_big((n, _log(small.p.sum()), _log(big.p.sum())) for n, small, big in steps))
        self.log_t = tuple(
            _some_big(
                (n, _log_sum(small.p, getattr(small, mean), 1.0), _log_sum(big.p, getattr(big, mean), 1.0))
                for n, small, big in steps
            )
            for mean in ("mean", "sure")
        )

    def bounds(self, epsilon, loose):
        """Both sides of what they give of delta, where p and t are known to the relative error `loose`."""
        p, (more, less), loose = self.p, (exp_or_inf(log_t + epsilon) for log_t in self.log_t), min(loose, 1.0)
        lower, upper = p * (1.0 - loose) - more * (1.0 + loose), p * (1.0 + loose) - min(less, 2.0) * (1.0 - loose)
        return max(0.0, lower), max(0.0, upper) + self.stray(epsilon)

    def stray(self, epsilon):
        """At least P(S <= epsilon) there, and the mean of (e^{epsilon - S} - 1)_+."""
        log = self.log_stray + self.rate * epsilon
        return exp_or_inf(log + 1e-9 * (1.0 + abs(log))) if log > -math.inf else 0.0


def _some_big(parts):
    """Log of prod (m + b)^n - prod m^n for (n, log m, log b)."""
    both = less = 0.0
    for count, log_m, log_b in parts:
        both += count * float(np.logaddexp(log_m, log_b))
        less += count * (math.log1p(exp_or_inf(log_b - log_m)) if log_b > -math.inf else 0.0)
    return both + _log(-math.expm1(-less))


def _log_sum(p, loss, rate):
    """Log of E[e^{-rate loss}]."""
    exponents = np.log(p) - rate * loss
    top = exponents.max(initial=-math.inf)
    return float(top + np.log(np.exp(exponents - top).sum())) if top > -math.inf else -math.inf


def _log(x):
    return math.log(x) if x > 0.0 else -math.inf


def exp_or_inf(x):
    """e^x, infinite near where doubles end."""
    return math.exp(x) if x < 700.0 else math.inf
