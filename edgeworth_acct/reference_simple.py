"""Laws whose generating functions are finite sums or closed forms, along a vertical line, in ball arithmetic.

None of them decays along the line: `far` is 1, and a Gaussian mechanism or smoothing has to take part.
"""

from edgeworth_acct.reference_balls import arb, flint


class Undamped:
    """A law with its generating function in closed form."""

    def at(self, z):
        """M(z), z a real or a complex ball."""
        raise NotImplementedError

    def mass(self, c, floor):
        """M(c)."""
        return self.at(arb(c))

    def along(self, c, h, first, last, floor):
        """M(c + i j h) for first <= j < last, and how many terms these took."""
        return [self.at(flint().acb(c, h * j)) for j in range(first, last)], 1

    def far(self, c, t, floor):
        """No better than 1."""
        return arb(1)


class Laplace(Undamped):
    """Laplace(0, scale) against Laplace(1, scale), `scale` a ball."""

    def __init__(self, scale):
        self.scale = scale

    def at(self, z):
        """From the losses 1/b and -1/b, and those between, of density e^{(loss - 1/b)/2}/4."""
        return ((z + 1) * (z / self.scale).exp() + z * (-(z + 1) / self.scale).exp()) / (2 * z + 1)


class Atoms(Undamped):
    """Finitely many losses with these probabilities."""

    def __init__(self, losses, chances):
        self.losses, self.chances = losses, chances

    def at(self, z):
        """A sum."""
        return sum((chance * (loss * z).exp() for chance, loss in zip(self.chances, self.losses)), 0 * z)
