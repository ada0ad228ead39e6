"""Per-example gradients, norms and clipped sums of real architectures against torch.func, one example at a time."""

import pytest
import torch
from oracles import per_example
from torch_models import MODELS, SIZE, build, run

from edgeworth_acct.torch_adapter import factors
from edgeworth_acct.torch_adapter.capture import Stash
from edgeworth_acct.torch_adapter.factors import Dense, Grams, Outer, outer, squared_norms

# Llama's norms and rotations are computed in float32 whatever the model is.
TOLERANCE = {torch.float64: 1e-12, torch.float32: 1e-5}


def tolerance(name, dtype):
    return 1e-5 if name == "llama" else TOLERANCE[dtype]


def found(model, loss, batch):
    stash = Stash(model)
    losses = run(model, loss, batch)
    factors = stash.collect(losses.sum(), SIZE)
    stash.remove()
    return {name: factors[p] for name, p in model.named_parameters() if p in factors}


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["fp64", "fp32"])
@pytest.mark.parametrize("name", MODELS)
def test_gradients_norms_and_sums(name, dtype):
    model, loss, batch = build(name, dtype)
    truth = per_example.gradients(model, loss, batch)
    mine = found(model, loss, batch)
    assert all(p.grad is None for p in model.parameters())
    scale = per_example.norms(truth).max()
    weights = torch.linspace(0.1, 2.0, SIZE, dtype=dtype)
    square, grams = torch.zeros(SIZE, dtype=torch.float64), Grams()
    for key in truth[0]:
        expected = torch.stack([one[key] for one in truth])
        if key not in mine:
            assert not expected.any(), key
            continue
        shape = expected.shape[1:]
        formed = sum(factor.dense(shape) for factor in mine[key])
        assert (formed - expected).abs().max() <= tolerance(name, dtype) * scale, key
        total = None
        for factor in mine[key]:
            total = factor.weighted(weights, total, shape)
        wanted = torch.tensordot(weights, expected, 1)
        assert (total - wanted).abs().max() <= 4 * tolerance(name, dtype) * scale, key
        square += squared_norms(mine[key], shape, grams).double()
    error = (square.sqrt() / per_example.norms(truth) - 1).abs().max()
    assert error <= max(tolerance(name, dtype), 1e-5 if dtype == torch.float32 else 1e-12) * 2


@pytest.mark.parametrize("name", ["bert", "gpt2_tied", "cnn"])
def test_one_example_does_not_change_another_ones_gradient(name):
    """Pitfall 2: perturb example 1; loss and gradient of all others stay."""
    model, loss, batch = build(name)
    before, losses = found(model, loss, batch), run(model, loss, batch).detach()
    key = "x" if name == "cnn" else "input_ids"
    batch[key] = batch[key].clone()
    batch[key][1] = batch[key][2]
    after, moved = found(model, loss, batch), run(model, loss, batch).detach()
    others = [0, 2, 3]
    assert (losses[others] - moved[others]).abs().max() <= 1e-14
    assert losses[1] != moved[1]
    for parameter, mine in before.items():
        shape = dict(model.named_parameters())[parameter].shape
        one, two = (sum(f.dense(shape) for f in each)[others] for each in (mine, after[parameter]))
        assert (one - two).abs().max() <= 1e-13


def test_ghost_and_formed_gradients_agree():
    """Long inputs take the formed branch, short ones the ghost norm; both are the truth."""
    torch.manual_seed(1)
    for length, kind in ((3, Outer), (30, Dense)):
        rows, columns = torch.randn(5, length, 6), torch.randn(5, length, 7)
        factor = outer(rows, columns)
        assert type(factor) is kind
        truth = torch.einsum("bti,btj->bij", rows, columns).flatten(1).square().sum(1)
        assert squared_norms([factor], (6, 7), Grams()).allclose(truth, rtol=1e-5)


def test_layers_with_one_input_share_its_gram_matrix(monkeypatch):
    """As q, k and v of attention do."""
    counted, matmul = [], factors.product
    monkeypatch.setattr(factors, "product", lambda x, y: counted.append(1) or matmul(x, y))
    grams, inputs = Grams(), torch.randn(2, 3, 50)
    for _ in range(3):
        squared_norms([Outer(torch.randn(2, 3, 40), inputs)], (40, 50), grams)
    assert len(counted) == 1 + 3


def test_inputs_of_batch_one_are_detected():
    """Pitfall 8: BERT's own position ids are shared by the batch."""
    model, loss, batch = build("bert")
    del batch["position_ids"]
    with pytest.raises(ValueError, match=r"position_embeddings .*batch of 4 must come first.*prepare"):
        found(model, loss, batch)


def test_input_changed_in_place_is_detected():
    class InPlace(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer, self.last = torch.nn.Linear(3, 3), torch.nn.Linear(3, 2)

        def forward(self, x):
            y = self.layer(x)
            with torch.no_grad():
                x.mul_(2)
            return self.last(y)

    model = InPlace()
    stash = Stash(model)
    losses = model(torch.randn(4, 3)).square().sum(1)
    with pytest.raises(RuntimeError, match=r"layer .*was changed in place|modified by an inplace"):
        stash.collect(losses.sum(), 4)
