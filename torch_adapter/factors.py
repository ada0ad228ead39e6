"""Per-example gradients of one parameter, in factored form: norms and weighted sums without ever forming them.

With B examples and T tokens, the gradient of example i is one of

=========  =======================================  ======================================================
`Dense`    values (B, ...)                          values_i itself: small parameters, few outputs
`Outer`    rows (B, T, m), columns (B, T, n)        sum_t rows_it columns_it^T: the weight of a linear map
`Rows`     ids (B, T), values (B, T, n)             values_it added to row ids_it: an embedding
=========  =======================================  ======================================================

||sum_t r_t c_t^T||^2 = sum_{s,t} (r_s . r_t) (c_s . c_t): the "ghost norm" of Goodfellow (arXiv:1510.01799) and Li et
al. (arXiv:2110.05679).  A parameter used several times has several factors; its squared norm takes their inner products
in.  Everything is computed in float32, or float64 for a float64 model, whatever the activations are.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

HALF = (torch.float16, torch.bfloat16)
_OUT_DTYPE = tuple(int(part) for part in torch.__version__.split(".")[:2]) >= (2, 8)


def wide(tensor):
    """`tensor` in the precision of norms and sums."""
    return tensor if tensor.dtype == torch.float64 else tensor.float()


def product(x, y):
    """Batched matrix product with every product and sum at least in float32."""
    if x.dtype == y.dtype and x.dtype in HALF and x.is_cuda and _OUT_DTYPE:
        return torch.bmm(x, y, out_dtype=torch.float32)
    return wide(x) @ wide(y)


class Grams:
    """Gram matrices (B, T, T) over tokens; the last two are kept, for layers that share their input (q, k, v)."""

    def __init__(self):
        self._kept = []

    def __call__(self, tokens):
        """Gram matrix of `tokens` (B, T, d)."""
        gram = next((gram for source, gram in self._kept if source is tokens), None)
        if gram is None:
            gram = product(tokens, tokens.transpose(1, 2))
        self._kept = [*(pair for pair in self._kept if pair[0] is not tokens), (tokens, gram)][-2:]
        return gram


@dataclass
class Dense:
    """Gradients that were formed: values (B, ...)."""

    values: Tensor

    def clear(self, examples):
        """Set the factors of these examples (B, boolean) to zero, whatever they hold."""
        self.values = _cleared(self.values, examples)

    def dense(self, shape):
        """The gradients themselves, (B, *shape)."""
        return wide(self.values).reshape(-1, *shape)

    def weighted(self, weights, total, shape):
        """`total`, or zero if None, plus the sum over examples of weight times gradient; may be in place."""
        return _plus(total, (weights @ wide(self.values).flatten(1)).view(shape))


@dataclass
class Outer:
    """Gradients sum_t rows_t columns_t^T: rows (B, T, m), columns (B, T, n)."""

    rows: Tensor
    columns: Tensor

    def clear(self, examples):
        """As `Dense.clear`."""
        self.rows, self.columns = _cleared(self.rows, examples), _cleared(self.columns, examples)

    def dense(self, shape):
        """As `Dense.dense`."""
        return product(self.rows.transpose(1, 2), self.columns).reshape(-1, *shape)

    def square_and_scale(self, grams):
        """Squared norms, and sum_t |row_t| |column_t|, which scales their rounding; each (B,)."""
        rows, columns = grams(self.rows), grams(self.columns)
        lengths = (rows.diagonal(dim1=1, dim2=2) * columns.diagonal(dim1=1, dim2=2)).clamp_min(0).sqrt()
        return (rows * columns).sum((1, 2)), lengths.sum(1)

    def dot(self, other):
        """Inner products (B,) with the gradients of another use of the same parameter."""
        if isinstance(other, Rows):
            return other.dot(self)
        rows = product(self.rows, other.rows.transpose(1, 2))
        return (rows * product(self.columns, other.columns.transpose(1, 2))).sum((1, 2))

    def weighted(self, weights, total, shape):
        """As `Dense.weighted`."""
        rows, columns = self.rows.flatten(0, 1), self.columns.flatten(0, 1)
        weights = weights.repeat_interleave(self.rows.shape[1])[:, None]
        if rows.shape[1] <= columns.shape[1]:
            pieces = [(piece, columns) for piece in _scaled(rows, weights)]
        else:
            pieces = [(rows, piece) for piece in _scaled(columns, weights)]
        for left, right in pieces:
            if total is None:
                total = _matrix_product(left.T, right).view(shape)
            elif left.is_cuda and left.dtype in HALF:
                total += _matrix_product(left.T, right).view(shape)
            else:
                total.view(left.shape[1], right.shape[1]).addmm_(wide(left).T, wide(right))
        return total


@dataclass
class Rows:
    """Gradients with values_t added to row ids_t, but none to row `skip`: ids (B, T), values (B, T, n)."""

    ids: Tensor
    values: Tensor
    skip: int = -1

    def clear(self, examples):
        """As `Dense.clear`."""
        self.values = _cleared(self.values, examples)

    def _present(self):
        return wide(self.values).masked_fill((self.ids == self.skip)[..., None], 0)

    def dense(self, shape):
        """As `Dense.dense`."""
        result = torch.zeros(len(self.ids), *shape, dtype=wide(self.values).dtype, device=self.values.device)
        return result.scatter_add_(1, self.ids[..., None].expand(self.values.shape), self._present())

    def square_and_scale(self, grams):
        """As `Outer.square_and_scale`."""
        gram, present = grams(self.values), self.ids != self.skip
        equal = (self.ids[:, :, None] == self.ids[:, None, :]) & present[:, None]
        return (gram * equal).sum((1, 2)), (gram.diagonal(dim1=1, dim2=2).sqrt() * present).sum(1)

    def dot(self, other):
        """As `Outer.dot`."""
        if isinstance(other, Rows):
            equal = self.ids[:, :, None] == other.ids[:, None, :]
            return (product(self._present(), other._present().transpose(1, 2)) * equal).sum((1, 2))
        picked = other.rows.gather(2, self.ids[:, None, :].expand(-1, other.rows.shape[1], -1))
        return (wide(picked) * product(other.columns, self._present().transpose(1, 2))).sum((1, 2))

    def weighted(self, weights, total, shape):
        """As `Dense.weighted`."""
        if total is None:  # what the backward pass of an embedding does itself
            values = wide(self.values) * weights[:, None, None]
            return torch.ops.aten.embedding_dense_backward(values, self.ids, shape[0], self.skip, False)
        values = self._present() * weights[:, None, None]
        return total.index_add_(0, self.ids.flatten(), values.flatten(0, 1))


def squared_norms(factors, shape, grams):
    """Squared norm of each example's gradient, shape (B,), of a parameter whose uses gave these factors.

    Guarantee: rounding does not make it too small.  A ghost norm is a sum of terms of both signs, off by units of
    rounding of the sum of their magnitudes; one such unit is added, so that gradients which cancel over tokens are
    clipped all the same.
    """
    if len(factors) > 1 and any(isinstance(factor, Dense) for factor in factors):
        factors = [Dense(sum(factor.dense(shape) for factor in factors))]
    if isinstance(factors[0], Dense):
        return wide(factors[0].values).flatten(1).square().sum(1)
    squares, scales = zip(*(factor.square_and_scale(grams) for factor in factors))
    pairs = [one.dot(two) for k, one in enumerate(factors) for two in factors[:k]]
    scale = sum(scales).square()
    return (sum(squares) + 2 * sum(pairs)).clamp_min(0) + torch.finfo(scale.dtype).eps * scale


def weighted_sum(factors, weights, shape, total=None):
    """`total`, perhaps in place, plus the sum over examples of weight (B,) times gradient of `shape`."""
    for factor in factors:
        total = factor.weighted(weights, total, shape)
    return total


def outer(rows, columns):
    """The factor of sum_t rows_t columns_t^T, formed at once where that is no more work than a ghost norm."""
    _, tokens, height = rows.shape
    if 2 * tokens**2 >= height * columns.shape[2]:
        return Dense(product(rows.transpose(1, 2), columns))
    return Outer(rows, columns)


def _cleared(tensor, examples):
    return tensor.masked_fill(examples.view(-1, *[1] * (tensor.dim() - 1)), 0)


def _plus(total, term):
    return term if total is None else total.add_(term)


def _scaled(tokens, weights):
    """`tokens` times `weights` as summands: one, or for bfloat16 on an accelerator two that keep 16 bits together."""
    scaled = wide(tokens) * weights
    if not (tokens.is_cuda and tokens.dtype == torch.bfloat16 and _OUT_DTYPE):
        return [scaled]
    high = scaled.bfloat16()
    return [high, (scaled - high).bfloat16()]


def _matrix_product(x, y):
    return product(x[None], y[None])[0]
