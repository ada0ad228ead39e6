"""Laws whose generating functions are finite sums, closed forms or sums of others', along a line, in ball arithmetic.

The closed forms do not decay along the line: `far` is 1, and a Gaussian mechanism or smoothing has to take part.
"""

from edgeworth_acct.reference_balls import arb, flint
from edgeworth_acct.reference_sums import sums_along


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
        self._pairs = [(loss, chance) for loss, chance in zip(losses, chances) if chance != 0]

    def at(self, z):
        """A sum."""
        return sum((chance * (loss * z).exp() for loss, chance in self._pairs), 0 * z)

    def along(self, c, h, first, last, floor):
        """M(c + i j h) for first <= j < last, and how many terms these took."""
        terms = [(loss, chance.log() + arb(c) * loss) for loss, chance in self._pairs]
        return sums_along(terms, h, first, last), len(terms)


class Layered:
    """One of several laws, chosen in public: (share, law), the shares adding up to 1."""

    def __init__(self, layers):
        self.layers = layers

    def mass(self, c, floor):
        """M(c), to a relative error of about e^-floor."""
        return sum((share * law.mass(c, floor) for share, law in self.layers), arb(0))

    def along(self, c, h, first, last, floor):
        """M(c + i j h) for first <= j < last, to an error of about e^-floor M(c); and the number of nodes."""
        total, work = [arb(0)] * (last - first), 0
        for share, law in self.layers:
            values, nodes = law.along(c, h, first, last, floor)
            total, work = [one + share * other for one, other in zip(total, values)], work + nodes
        return total, work

    def far(self, c, t, floor):
        """Upper bound, at most 1, of the largest |M| at heights >= t over M(c)."""
        most = sum((share * law.mass(c, floor) * law.far(c, t, floor) for share, law in self.layers), arb(0))
        share = (most / self.mass(c, floor)).upper()
        return share if share < 1 else arb(1)
