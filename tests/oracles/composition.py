"""Both sides of delta for a few steps, by discretising the loss and convolving.  Kind: other algorithm.

Nothing is shared with the contour integrals: no transform, no complex number.  With T = dQ/dP = e^{-loss},

    delta(eps) = E_P[(1 - e^eps T_1 ... T_n)_+]

is convex in every T_i, so that (Jensen) replacing T by its conditional mean on cells gives a lower bound, and moving
it to the ends of the cells with the mean kept gives an upper bound (J. Doroshenko et al., "Connect the dots: tighter
discrete approximations of privacy loss distributions", PoPETs 2022).  Both errors are of second order in the cell.

Cells are intervals of the loss, one of width h around each multiple of h (lower bound) or between two of them (upper
bound).  The probabilities of a cell under P and Q are differences of normal distribution functions on the side where
they are small.  Where floating point matters it is pushed outward: masses by their error, losses by 1e-12 per step,
sums by their a-priori bound (all terms are positive, nothing cancels).
"""

import math

import numpy as np
from scipy.special import ndtr

U = 2.0**-53
NUDGE = 1e-12  # of one step's loss: far above the rounding of an edge


class Pair:
    """One step: first law P, second law Q as mixtures of normals, and x as a function of the loss."""

    def __init__(self, sigma, q, direction):
        plain, mixed = ((1.0, 0.0),), ((1 - q, 0.0), (q, 1.0))
        self.sigma, self.q, self.direction = sigma, q, direction
        self.first, self.second = {
            "remove": (mixed, plain),
            "add": (plain, mixed),
            "replace_one": (mixed, ((1 - q, 0.0), (q, -1.0))),
        }[direction]

    def x(self, loss):
        """Where the loss has this value; the loss increases with x, for `add` with -x."""
        s, q = self.sigma, self.q
        if self.direction == "replace_one":
            with np.errstate(over="ignore"):
                ratio = (1 - q) / q * np.exp(0.5 / s**2) * np.sinh(loss / 2)
            return s**2 * (loss / 2 + np.arcsinh(ratio))
        sign = -1.0 if self.direction == "add" else 1.0
        with np.errstate(divide="ignore", invalid="ignore"):
            inside = np.expm1(sign * loss) / q
            return np.where(inside > -1, 0.5 + s**2 * np.log1p(np.maximum(inside, -1)), -np.inf)

    def loss_range(self, tail):
        """Losses outside of which the first law has at most about `tail` on each side."""
        x = np.linspace(-60.0, 60.0, 240001) * max(self.sigma, 1.0)
        below = sum(w * ndtr((x - m) / self.sigma) for w, m in self.first)
        above = sum(w * ndtr((m - x) / self.sigma) for w, m in self.first)
        ends = [x[np.flatnonzero(below <= tail)[-1]], x[np.flatnonzero(above <= tail)[0]]]
        losses = sorted(self.loss(end) for end in ends)
        return losses[0], losses[1]

    def loss(self, x):
        s, q = self.sigma, self.q

        def log_v(x):
            return np.logaddexp(math.log1p(-q), math.log(q) + (x - 0.5) / s**2)

        if self.direction == "replace_one":
            return log_v(x) - log_v(-x)
        return -log_v(x) if self.direction == "add" else log_v(x)

    def masses(self, mixture, edges):
        """Probability between neighbouring losses, and a bound of its error."""
        x = self.x(edges)
        total, error = 0.0, 0.0
        for weight, mean in mixture:
            z = np.sort((x - mean) / self.sigma)
            a, b = z[:-1], z[1:]
            right = a > 0
            high, low = ndtr(np.where(right, -a, b)), ndtr(np.where(right, -b, a))
            total = total + weight * (high - low)
            # x is off by a few units; z phi(z) <= (1 + z^2) tail(z)
            error = error + weight * 16 * U * (1 + np.minimum(z[:-1] ** 2, 1600.0)) * high
        if self.direction == "add":  # x runs against the loss
            total, error = total[::-1], error[::-1]
        return total, error


class Law:
    """Masses p[i] at losses offset + (first + i) h, and mass at +inf."""

    def __init__(self, first, p, infinite):
        self.first, self.p, self.infinite = first, p, infinite

    def times(self, other):
        """The sum of two independent losses.  Every mass is within a factor 1 +- 2 len(p) U."""
        infinite = self.infinite + other.infinite
        return Law(self.first + other.first, np.convolve(self.p, other.p), infinite)

    def trimmed(self, lost, up):
        """Without tails of at most `lost` each: to the next point and to infinity (up), dropped and inward (not up)."""
        left, right = np.cumsum(self.p), np.cumsum(self.p[::-1])
        i, j = np.searchsorted(left, lost), np.searchsorted(right, lost)
        if i + j + 2 > self.p.size:
            return self
        p = self.p[i : self.p.size - j].copy()
        below, above = (left[i - 1] if i else 0.0), (right[j - 1] if j else 0.0)
        if up:
            p[0] += below
            return Law(self.first + i, p, self.infinite + above)
        p[-1] += above
        return Law(self.first + i, p, 0.0)


def power(law, n, lost, up):
    """The n-fold sum."""
    result = None
    while True:
        if n & 1:
            result = law if result is None else result.times(law).trimmed(lost, up)
        n >>= 1
        if n == 0:
            return result
        law = law.times(law).trimmed(lost, up)


class Composition:
    """delta and epsilon of n steps from both sides; direction "remove", "add" or "replace_one"."""

    def __init__(self, sigma, q, steps, direction, tail, cells=5000):
        """tail: probability that may be lost at each end, far below the deltas asked for; cells: per step."""
        pair = Pair(sigma, q, direction)
        low, high = pair.loss_range(tail)
        h = self.h = (high - low) / cells
        self.steps = steps
        first, last = math.floor(low / h) - 1, math.ceil(high / h) + 1
        grid = np.arange(first, last + 1)

        # Upper bound: cells [k h, (k+1) h]; what lies below the first cell moves up into it, what lies above to +inf.
        edges = np.concatenate([[-np.inf], grid * h, [np.inf]])
        p, p_error = pair.masses(pair.first, edges)
        q, q_error = pair.masses(pair.second, edges)
        p_top, q_low = p + p_error, np.maximum(q - q_error, 0.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = q_low[1:-1] / p_top[1:-1] * np.exp(grid[1:] * h)  # T over the smaller T of the cell
        stay = np.clip(np.nan_to_num((ratio - 1) / math.expm1(h) - 1e-13 / h), 0.0, 1.0)  # at the cell's lower loss
        up = np.zeros(grid.size)
        up[:-1] += p_top[1:-1] * stay
        up[1:] += p_top[1:-1] * (1 - stay)
        up[0] += p_top[0]

        # Lower bound: cells [(k - 1/2) h, (k + 1/2) h] around the points k h - shift, masses at -log E[T].
        p, p_error = pair.masses(pair.first, (np.append(grid, last + 1) - 0.5) * h)
        q, q_error = pair.masses(pair.second, (np.append(grid, last + 1) - 0.5) * h)
        p_low = np.maximum(p - p_error, 0.0)
        keep = p_low > 0
        mean = np.log(p_low[keep] / (q[keep] + q_error[keep]))
        behind = grid[keep] * h - mean
        # A common shift of second order lets nearly every mass stay at its own point; the others fall by whole cells.
        # `add` has its steepest cells at its upper edge, elsewhere they are in the tail that makes delta.
        few = 1e-4 if direction == "add" else 1e4 * tail
        weight = np.cumsum(p_low[keep][np.argsort(behind)][::-1])[::-1]  # mass of the cells that far behind or more
        self.shift = np.sort(behind)[np.flatnonzero(weight >= min(few, weight[0] / 2))[-1]] + NUDGE
        down = np.zeros(grid.size + 1)
        cell = np.floor((mean + self.shift) / h).astype(int) - first
        np.add.at(down, np.clip(cell, 0, grid.size - 1), np.where(cell >= 0, p_low[keep], 0.0))

        self.up = power(Law(first, up, p_top[-1]), steps, tail, True)
        self.down = power(Law(first, down, 0.0), steps, tail, False)
        self.rounding = 4 * (self.up.p.size + self.down.p.size + steps) * steps * U

    def delta(self, eps):
        """(lower, upper) of delta(eps)."""
        n, up, down = self.steps, self.up, self.down
        loss = (up.first + np.arange(up.p.size)) * self.h + n * NUDGE
        upper = up.infinite + up.p @ -np.expm1(np.minimum(eps - loss, 0.0))
        loss = (down.first + np.arange(down.p.size)) * self.h - n * self.shift - n * NUDGE
        lower = down.p @ -np.expm1(np.minimum(eps - loss, 0.0))
        return lower * (1 - self.rounding), upper * (1 + self.rounding)

    def epsilon(self, target):
        """(lower, upper) of the eps >= 0 with delta(eps) = target."""
        ends = []
        for side in (0, 1):
            low, high = 0.0, 1.0
            while self.delta(high)[side] > target:
                low, high = high, 2 * high
                if high > 1e6:
                    raise ValueError("the lost tail is larger than the target")
            for _ in range(60):
                middle = (low + high) / 2
                low, high = (middle, high) if self.delta(middle)[side] > target else (low, middle)
            ends.append((low, high)[side])
        return tuple(ends)
