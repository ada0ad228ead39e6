"""Loss laws of batches that are no Poisson samples and of sampled Laplace mechanisms, for the reference."""

from edgeworth_acct.reference_balls import NotVerified, arb, flint, positive
from edgeworth_acct.reference_closed import Once
from edgeworth_acct.reference_curved import Curved, Piece
from edgeworth_acct.reference_mixture import Mixture

_MOST = 200_000  # terms of a binomial tail


def larger_of_both(sigma, q):
    """The pair whose delta is the larger of those of (1-q) N(0) + q N(1) against N(0) and of the reverse.

    Where its loss is positive it is that of the first pair, where it is negative that of the reverse, and else 0.
    With u the outcome, a = 1/sigma, x = u - a/2 and L(x) = log(1-q + q e^{ax}), which is 0 at x = 0:

        M(z) = (1-q) erf(a/sqrt 8) + int_0^oo phi(x + a/2) (e^{(1+z) L} + e^{-zL}) dx.
    """
    q, a = arb(q), 1 / arb(sigma)
    v, l = -a * a / 8 - (2 * flint().arb.pi()).log() / 2, a / 2
    pieces = [Piece(sign, f, q, a, arb(0), arb(0), v, l, 1, None) for sign, f in ((1, 1), (-1, 0))]

    def once(e):
        low, high = Once(Mixture([(1 - q, 0.0), (q, 1.0)], [(arb(1), 0.0)], sigma)).delta(e)
        return low.union(high)

    return Curved([(arb(0), (1 - q) * (a / arb(8).sqrt()).erf())], pieces, once)


def sampled_laplace(scale, q, direction):
    """(1-q) L(0) + q L(1) against L(0), the reverse, or against (1-q) L(0) + q L(-1); L(m) of this scale.

    Between 0 and 1 the likelihood ratio of the first pair is r(x) = 1-q + q e^{(2x-1)/scale}, beyond it is constant.
    Of the last pair it is r(x)/r(0) there and, by reflection, r(0)/r(-x) between -1 and 0.
    """
    b, q, two = arb(scale), arb(q), direction == "replace_one"
    low, high = (1 - q + q * (way / b).exp() for way in (-1, 1))
    beyond = (-1 / b).exp() / 2

    def piece(sign, f, factor, base):
        return Piece(sign, f, q, 2 / b, 1 / b, base, (factor / (2 * b)).log(), 1 / b, 0, 1.0)

    def once(e):
        """Delta at e >= 0: the best event begins or ends at x in [0, 1] with likelihood ratio e^e."""
        rest = (e.exp() * (low if two else 1) if direction != "add" else (-e).exp()) - (1 - q)
        x = (1 + b * (rest / q).log()) / 2
        if rest < q * (-1 / b).exp():
            x = arb(0)
        if rest > q * (1 / b).exp():
            x = arb(1)
        right, right_of_one = (-x / b).exp() / 2, 1 - ((x - 1) / b).exp() / 2
        if direction == "add":
            return positive(1 - right - e.exp() * ((1 - q) * (1 - right) + q * (1 - right_of_one)))
        return positive((1 - q) * right + q * right_of_one - e.exp() * right * (low if two else 1))

    if direction == "remove":
        return Curved([(low.log(), low / 2), (high.log(), high * beyond)], [piece(1, 1, arb(1), arb(0))], once)
    if direction == "add":
        return Curved([(-low.log(), arb(1) / 2), (-high.log(), beyond)], [piece(-1, 0, arb(1), arb(0))], once)
    most = (high / low).log()
    pieces = [piece(1, 1, arb(1), low.log()), piece(-1, 0, low, low.log())]
    return Curved([(most, high * beyond), (-most, low * beyond)], pieces, once)


def binomial_tail(n, q, least):
    """Probability that of n members, each there with probability q, at least so many are there.

    Terms t with falling ratios: once a ratio is r < 1, all the later ones together are at most t r/(1 - r).
    """
    if least > n:
        return arb(0)
    q, total = arb(q), arb(0)
    choose = arb(n + 1).lgamma() - arb(least + 1).lgamma() - arb(n - least + 1).lgamma()
    term, odds = (choose + least * q.log() + (n - least) * (1 - q).log()).exp(), q / (1 - q)
    for members in range(least, min(n, least + _MOST) + 1):
        total += term
        ratio = odds * (n - members) / (members + 1)
        if ratio < 0.9 and term * ratio < (1 - ratio) * total * 2.0**-70:
            return total + arb(0).union(term * ratio / (1 - ratio))
        term *= ratio
    if least + _MOST < n:
        raise NotVerified("the tail of the batch size has too many terms for ball arithmetic")
    return total
