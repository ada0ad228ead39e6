"""mode="probe": per-example gradients through torch.compile, against torch.func and against the eager engine.

The backend "aot_eager" traces forward and backward like "inductor" and generates no code, which is what takes long.
"""

import pytest
import torch
from oracles import per_example
from torch import nn
from torch_models import SIZE, build, run

from edgeworth_acct.torch_adapter import DPEngine, DPPlan
from edgeworth_acct.torch_adapter.probe import Probe

PLAN = DPPlan(n=SIZE, expected_batch=SIZE, steps=3, sigma=1.0, delta=1e-5, clip=0.5)


class Probed:
    """A model with probes, its twin without for the oracle, its loss and batch."""

    def __init__(self, name, dtype=torch.float64):
        self.model, self.loss, self.batch = build(name, dtype)
        self.twin = build(name, dtype)[0]
        self.probe = Probe(self.model)

    def losses(self, batch=None, call=None):
        return run(self.model if call is None else call, self.loss, batch or self.batch)

    def formed(self, losses):
        """Per-example gradients by name."""
        factors = self.probe.collect(losses.sum(), len(losses))
        return {n: sum(f.dense(p.shape) for f in factors[p]) for n, p in self.model.named_parameters() if p in factors}

    def check(self, found, batch=None, tolerance=1e-12):
        truth = per_example.gradients(self.twin, self.loss, batch or self.batch)
        for name in truth[0]:
            expected = torch.stack([one[name] for one in truth])
            if name in found:
                assert (found[name] - expected).abs().max() <= tolerance * per_example.norms(truth).max(), name
            else:
                assert not expected.any(), name


@pytest.mark.parametrize(
    ("name", "backend"),
    [
        ("bert", "aot_eager"),
        ("gpt2_tied", "aot_eager"),
        ("lora", "aot_eager"),
        ("cnn", "aot_eager"),
        ("cnn", "inductor"),
        ("roberta", None),
        ("llama", None),
    ],
)
def test_gradients_are_torch_funcs(name, backend):
    """Two batches: the second one meets the compiled graph.  Compilation keeps the model whole, in one graph."""
    case = Probed(name)
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    call = torch.compile(case.model, backend=backend) if backend else case.model
    for seed in range(2):
        batch = build(name, seed=seed)[2]
        case.check(case.formed(case.losses(batch, call)), batch, 1e-5 if name == "llama" else 1e-12)
    if backend:
        assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 1
    assert all(p.grad is None for p in case.model.parameters())


def released(model, loss, batch, mode, backend=None):
    """Parameters after two steps with known noise, evaluated in between."""
    start = {name: value.clone() for name, value in model.state_dict().items()}
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
    engine = DPEngine(model, optimizer, PLAN, mode=mode, insecure_reproducible=True, seed=3)
    call = torch.compile(model, backend=backend) if backend else model
    for number, logical in enumerate(engine.sampler(SIZE, micro_batch=SIZE)):
        for mb in logical:
            engine.backward(run(call, loss, batch), mask=mb.mask)
        with torch.no_grad():
            run(call, loss, batch)
        engine.step()
        if number == 1:
            break
    engine.detach()
    moved = {name: value.detach().clone() for name, value in model.named_parameters()}
    model.load_state_dict(start)
    return moved


@pytest.mark.parametrize(("name", "backend"), [("gpt2_tied", None), ("cnn", "aot_eager")])
def test_two_steps_are_those_of_the_eager_engine(name, backend):
    model, loss, batch = build(name)
    torch._dynamo.reset()
    one, two = released(model, loss, batch, "stash"), released(model, loss, batch, "probe", backend)
    for key in one:
        assert (one[key] - two[key]).abs().max() <= 1e-12, key


def test_the_model_stays_what_it_is():
    case = Probed("bert")
    before = [p.requires_grad for p in case.twin.parameters()]
    losses = case.losses()
    assert [p.requires_grad for p in case.model.parameters()] == before
    with pytest.raises(ValueError, match="input_ids"):
        case.model(attention_mask=case.batch["attention_mask"])
    assert [p.requires_grad for p in case.model.parameters()] == before
    case.check(case.formed(losses))
    case.probe.remove()
    assert all(not module._forward_hooks and not module._forward_pre_hooks for module in case.model.modules())


def test_new_shapes_and_two_passes_before_one_backward():
    case = Probed("bert")
    short = {name: value[:, :4] if value.dim() > 1 else value for name, value in case.batch.items()}
    case.check(case.formed(case.losses(short)), short)
    case.losses(short)  # not used
    once = case.formed(case.losses())
    case.check(once)
    twice = case.formed(case.losses() + case.losses())
    assert all((twice[name] - 2 * once[name]).abs().max() <= 1e-12 for name in once)


def test_dropout_has_one_mask_and_its_random_numbers_stay():
    model = nn.Sequential(nn.Linear(3, 50), nn.Dropout(0.5), nn.Linear(50, 1)).double()
    x = torch.randn(4, 3, dtype=torch.float64)
    torch.manual_seed(3)
    plain = model(x)
    expected = torch.autograd.grad(plain[2], model[0].weight)[0]
    probe = Probe(model)
    torch.manual_seed(3)
    output = model(x)
    assert torch.equal(output, plain)
    (factor,) = probe.collect(output.sum(), 4)[model[0].weight]
    assert (factor.dense((50, 3))[2] - expected).abs().max() <= 1e-15


def test_wide_under_autocast():
    case = Probed("bert", torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        losses = case.losses().float()
    found = case.formed(losses)
    truth = per_example.norms(per_example.gradients(case.twin, case.loss, case.batch))
    norms = torch.stack([value.flatten(1).square().sum(1) for value in found.values()]).sum(0).sqrt()
    assert all(value.dtype == torch.float32 for value in found.values())
    assert (norms / truth - 1).abs().max() < 0.1


def test_activation_checkpointing_is_exact():
    case = Probed("bert")
    case.model.gradient_checkpointing_enable({"use_reentrant": False})
    case.model.train()
    case.check(case.formed(case.losses()))


@pytest.mark.parametrize("name", ["twice", "recurrent", "vit"])
def test_layers_without_a_rule_are_refused(name):
    model = build(name)[0]
    with pytest.raises(ValueError, match=r"mode must be 'stash' for layers without a rule, got 'probe' for .*\("):
        Probe(model)
    assert all(not module._forward_hooks for module in model.modules())


def test_batches_of_one_and_uses_outside_a_forward_are_noticed():
    model, loss, batch = build("bert")
    Probe(model)
    del batch["position_ids"]
    with pytest.raises(ValueError, match=r"position_embeddings .*batch of 4 must come first"):
        run(model, loss, batch)

    class Behind(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(3, 3)

        def forward(self, x):
            return self.layer(x) @ self.layer.weight

    model = Behind()
    Probe(model)
    with pytest.raises(RuntimeError, match=r"layer.weight do not add up"):
        model(torch.randn(4, 3))


def test_no_forward_no_gradient():
    model = nn.Linear(3, 1)
    probe = Probe(model)
    with torch.no_grad():
        losses = model(torch.randn(4, 3))
    with pytest.raises(RuntimeError, match="losses must come from the model, run with gradients"):
        probe.collect(losses.sum(), 4)
    model(torch.randn(4, 3))
    with pytest.raises(RuntimeError, match="losses must come from the model, run with gradients"):
        probe.collect(torch.ones(4, requires_grad=True).sum(), 4)
    x = torch.randn(4, 3)
    (factor,) = probe.collect(model(x).sum(), 4)[model.weight]
    assert torch.equal(factor.dense((1, 3)), x[:, None])
