"""Reparametrised gradients: the projection, the bound on one example, checkpoints, what may be a target."""

import numpy as np
import pytest
import torch
from torch import nn
from torch_models import SEEDED, SIZE, build, run

from edgeworth_acct.torch_adapter import RGP, Callback, DPEngine, DPPlan, engine, fit, prepare

LARGE = {"bert": ["query", "value", "intermediate.dense"], "gpt2_tied": ["c_attn", "mlp.c_proj"]}


def carriers(rgp):
    return {name: module.carriers for name, module in rgp._layers.items()}


def projection(gradient, left, right):
    """Onto {A R + L B}, by least squares in a basis of that space: no formula of the package."""
    (p, r), d = left.shape, right.shape[1]
    basis = [np.outer(e, row) for e in np.eye(p) for row in right] + [
        np.outer(col, e) for col in left.T for e in np.eye(d)
    ]
    assert len(basis) == r * (p + d)
    matrix = np.stack([one.ravel() for one in basis], 1)
    return (matrix @ np.linalg.lstsq(matrix, gradient.ravel(), rcond=None)[0]).reshape(p, d)


def step_without_noise(name, monkeypatch, **options):
    """Gradients of a plain model; carriers and change of the weights of one SGD step, clipped by nothing."""
    monkeypatch.setattr(engine, "release_", lambda totals, *_: [total.div_(SIZE) for total in totals])
    model, loss, batch = build(name)
    with torch.no_grad():
        for module in model.modules():
            if type(module).__name__ in ("Linear", "Conv1D"):
                module.weight *= 10  # attention that attends, so that no gradient is tiny
    losses = run(model, loss, batch)
    wanted = dict(zip(dict(model.named_parameters()), torch.autograd.grad(losses.mean(), list(model.parameters()))))
    before = {key: value.clone() for key, value in model.state_dict().items()}
    rgp = RGP(model, targets=LARGE[name], **options)
    drawn = {
        key: (one.left.weight.detach().clone(), one.right.weight.detach().clone()) for key, one in carriers(rgp).items()
    }
    assert torch.equal(run(model, loss, batch), losses)
    plan = DPPlan(n=SIZE, expected_batch=SIZE, steps=1, sigma=1.0, delta=1e-3, clip=1e9)
    optimizer = rgp.attach(torch.optim.SGD(rgp.parameters(), lr=1.0))
    for logical in (private := DPEngine(model, optimizer, plan)).sampler(SIZE, micro_batch=SIZE):
        for _ in logical:
            private.backward(run(model, loss, batch))
        private.step()
    private.detach()
    rgp.detach()
    assert model.state_dict().keys() == before.keys()
    return wanted, drawn, {key: (before[key] - value).detach() for key, value in model.named_parameters()}


@pytest.mark.parametrize("name", LARGE)
@pytest.mark.parametrize("rank", [1, 3])
def test_the_update_is_the_orthogonal_projection_of_the_gradient(name, rank, monkeypatch):
    wanted, drawn, moved = step_without_noise(name, monkeypatch, rank=rank)
    assert len(drawn) >= 4
    for key, change in moved.items():
        layer = key.removesuffix(".weight")
        gradient = wanted[key]
        if layer in drawn:
            assert gradient.abs().max() > 1e-4
            flip = (lambda m: m.T) if name == "gpt2_tied" else (lambda m: m)
            gradient = flip(torch.from_numpy(projection(flip(gradient).numpy(), *(c.numpy() for c in drawn[layer]))))
            assert torch.linalg.matrix_rank(change, rtol=1e-9) <= 2 * rank
        assert (change - gradient).abs().max() <= 1e-10, key


def test_the_published_sign_counts_the_core_three_times(monkeypatch):
    wanted, drawn, moved = step_without_noise("bert", monkeypatch, rank=2, published_sign=True)
    for layer, (left, right) in drawn.items():
        gradient = wanted[f"{layer}.weight"]
        core = left @ left.T @ gradient @ right.T @ right
        true = torch.from_numpy(projection(gradient.numpy(), left.numpy(), right.numpy()))
        assert (moved[f"{layer}.weight"] - true - 2 * core).abs().max() <= 1e-10
        assert core.abs().max() > 1e-6


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e9])
@pytest.mark.parametrize("name", LARGE)
def test_one_example_moves_the_sum_by_at_most_the_clip_norm(name, scale):
    """Pitfall 10."""
    model, loss, batch = build(name, torch.float32)
    rgp = RGP(model, rank=2, targets=LARGE[name])
    plan = DPPlan(n=SIZE, expected_batch=SIZE, steps=1, sigma=1.0, delta=1e-3, clip=1e-4)
    optimizer = rgp.attach(torch.optim.SGD(rgp.parameters(), lr=1.0))
    for i in range(SIZE):
        private = DPEngine(model, optimizer, plan)
        for logical in private.sampler(SIZE, micro_batch=SIZE):
            for _ in logical:
                private.backward(run(model, loss, batch) * scale, mask=torch.arange(SIZE) == i)
            break
        private.detach()
        size = sum(float(total.double().square().sum()) for total in private._totals.values()) ** 0.5
        assert size <= plan.clip * (1 + 1e-6)
        assert size >= 0.99 * plan.clip or scale < 1


def test_input_gradients_are_those_of_the_weight():
    torch.manual_seed(0)
    layer, x = nn.Linear(5, 4, dtype=torch.float64), torch.randn(3, 5, dtype=torch.float64, requires_grad=True)
    expected = torch.autograd.grad(layer(x).sin().sum(), x)[0]
    RGP(layer, targets=[""])
    assert torch.equal(torch.autograd.grad(layer(x).sin().sum(), x)[0], expected)


def test_carriers_are_orthonormal_near_the_weights_and_redrawn():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(30, 20), nn.Linear(20, 2))
    with torch.no_grad():
        model[0].weight += 5 * torch.outer(torch.randn(20), torch.randn(30))  # one direction dominates
    rgp = RGP(model, rank=3, targets=["0"])
    (one,) = carriers(rgp).values()
    first = one.left.weight.detach().clone()
    for _ in range(4):
        left, right = one.left.weight.detach(), one.right.weight.detach()
        assert (left.T @ left - torch.eye(3)).abs().max() < 1e-5
        assert (right @ right.T - torch.eye(3)).abs().max() < 1e-5
        top = torch.linalg.svd(model[0].weight.detach())[0][:, 0]
        assert (left.T @ top).norm() > 0.99
        rgp.redraw()
    assert not torch.allclose(one.left.weight, first, atol=1e-3)
    with torch.no_grad():
        model[0].weight.zero_()
    rgp.redraw()  # of no rank at all
    assert (one.left.weight.T @ one.left.weight - torch.eye(3)).abs().max() < 1e-5


def test_momentum_brings_successive_carriers_nearer():
    def turn(momentum):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(60, 50))
        rgp = RGP(model, rank=1, targets=["0"], momentum=momentum)
        before = model[0].carriers.right.weight.detach().clone()
        rgp.redraw()
        return float((before @ model[0].carriers.right.weight.detach().T).abs())

    assert turn(0.0) < turn(0.9) < 1.0


RECORDS = [(torch.tensor([float(k % 2), 1.0, k / 60]), torch.tensor(k % 2)) for k in range(60)]
PLAN = DPPlan(n=60, expected_batch=20, steps=8, sigma=1.0, delta=1e-3)


def train(folder=None, stop=None, resume=False):
    class Stop(Callback):
        def after_step(self, run):
            if run.step == stop:
                raise KeyboardInterrupt

    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 16), nn.Tanh(), nn.Linear(16, 2))
    rgp = RGP(model, rank=1, targets=["0"])
    optimizer = lambda _: rgp.attach(torch.optim.AdamW(rgp.parameters(), lr=0.05))  # noqa: E731
    options = {"checkpoint": folder, "checkpoint_every": 3 if folder else None, "resume": resume, **SEEDED}
    torch.manual_seed(folder is not None)  # carriers must not depend on torch's generator
    fit(model, RECORDS, PLAN, lr=0.05, optimizer=optimizer, callbacks=[Stop()], **options)
    state = {key: value.clone() for key, value in model.state_dict().items()}
    rgp.detach()
    return state


def test_a_resumed_run_equals_the_uninterrupted_one(tmp_path):
    """Carriers, and what their next draw begins with, are in the checkpoint."""
    whole = train()
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, stop=5)
    resumed = train(tmp_path, resume=True)
    assert "0.carriers.draws" in whole
    assert all(torch.equal(value, resumed[key]) for key, value in whole.items())
    assert int(whole["0.carriers.draws"]) == PLAN.steps + 1


def test_only_the_weights_behind_the_carriers_move():
    model, _, batch = build("bert", torch.float32)
    model.bert.embeddings.requires_grad_(False)
    prepare(model)
    rgp = RGP(model)
    assert len(rgp._layers) == 12  # query, key, value, output, intermediate, output of two blocks
    trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert "bert.encoder.layer.0.attention.self.query.bias" in trained
    assert "classifier.weight" in trained
    assert "bert.encoder.layer.1.output.LayerNorm.weight" in trained
    assert "bert.encoder.layer.0.attention.self.query.weight" not in trained
    before = {name: value.clone() for name, value in model.state_dict().items()}
    plan = DPPlan(n=SIZE, expected_batch=2, steps=2, sigma=1.0, delta=1e-3)
    records = [{key: value[i] for key, value in batch.items()} for i in range(SIZE)]
    optimizer = lambda _: rgp.attach(torch.optim.AdamW(rgp.parameters(), lr=1e-3))  # noqa: E731
    fit(model, records, plan, lr=1e-3, optimizer=optimizer, micro_batch=4, progress=False)
    after = model.state_dict()
    assert all(not torch.equal(before[f"{name}.weight"], after[f"{name}.weight"]) for name in rgp._layers)
    assert torch.equal(
        before["bert.embeddings.word_embeddings.weight"], after["bert.embeddings.word_embeddings.weight"]
    )
    rgp.detach()
    assert all(module.weight.requires_grad for module in model.modules() if isinstance(module, nn.Linear))


@pytest.mark.parametrize(
    ("options", "error", "word"),
    [
        ({"rank": 0}, ValueError, "rank must be an integer from 1 to 16"),
        ({"rank": 17}, ValueError, r"rank must be .* got 17"),
        ({"rank": 1.5}, ValueError, "rank must be"),
        ({"momentum": 1.0}, ValueError, r"momentum must be in \[0, 1\), got 1.0"),
        ({"targets": "query"}, TypeError, "targets must be a sequence of names"),
        ({"targets": ["nothing"]}, ValueError, "got 'nothing'"),
        ({"targets": ["LayerNorm"]}, ValueError, "is a LayerNorm"),
    ],
)
def test_bad_input(options, error, word):
    model = build("bert", torch.float32)[0]
    with pytest.raises(error, match=word):
        RGP(model, **options)
    assert not any("carriers" in name for name in model.state_dict())


def test_tied_frozen_and_unheld_weights_are_refused():
    with pytest.raises(ValueError, match="must not share their weights"):
        RGP(build("gpt2_tied", torch.float32)[0], targets=["lm_head"])
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 2))
    with pytest.raises(ValueError, match="no trainable linear layer in a ModuleList"):
        RGP(model)
    model[0].weight.requires_grad_(False)
    with pytest.raises(ValueError, match="that of 0 is frozen"):
        RGP(model, targets=["0"])
    rgp = RGP(model, targets=["1"])
    with pytest.raises(ValueError, match="lacks the weights of 1"):
        rgp.attach(torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=1.0))
    with pytest.raises(ValueError, match="that of 1 is frozen"):
        RGP(model, targets=["1"])


def test_weights_that_are_used_behind_the_layers_back_are_refused():
    block = nn.TransformerEncoderLayer(8, 2, dim_feedforward=16)
    with pytest.raises(ValueError, match=r"self_attn\.out_proj is not"):
        RGP(block, targets=["out_proj"])
