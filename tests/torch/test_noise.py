"""The noise: pitfalls by number."""

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch_steps import ALL, engine_for

from edgeworth_acct.torch_adapter import DPEngine, DPPlan
from edgeworth_acct.torch_adapter.noise import Key, normal

# 11. Noise


@pytest.mark.parametrize("options", [{"seed": 1}, {"insecure_reproducible": True}])
def test_a_seed_needs_the_word_insecure(options):
    model, plan = nn.Linear(2, 1), DPPlan(**ALL, steps=1, sigma=1.0)
    with pytest.raises(ValueError, match="insecure_reproducible"):
        DPEngine(model, torch.optim.SGD(model.parameters(), lr=1.0), plan, **options)


def noise_of(engine, model, plan):
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    for _ in engine.sampler(plan.n, micro_batch=plan.n):
        engine.step()
        break
    return torch.cat([(before[name] - p.detach()).flatten() for name, p in model.named_parameters()])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["fp32", "fp64"])
def test_noise_is_normal_with_the_plans_deviation(dtype):
    from scipy import stats

    torch.manual_seed(0)  # must not matter
    model = nn.Linear(1500, 900, dtype=dtype)  # many blocks, the last one of an odd length
    plan = DPPlan(n=8, expected_batch=2, steps=3, sigma=0.7, delta=1e-5, clip=3.0)
    engine = DPEngine(model, torch.optim.SGD(model.parameters(), lr=1.0), plan)
    first, second = noise_of(engine, model, plan), noise_of(engine, model, plan)
    for noise in (first, second):
        assert stats.kstest(noise.numpy() / plan.noise_std, "norm").pvalue > 1e-5
        assert abs(noise.std() / plan.noise_std - 1) < 5 / math.sqrt(2 * noise.numel())
    assert plan.noise_std == 0.7 * 3.0 / 2
    assert abs(stats.pearsonr(first, second).statistic) < 5 / math.sqrt(first.numel())
    halves = first[: 2 * (first.numel() // 2)].view(2, -1).numpy()
    assert abs(stats.pearsonr(*halves).statistic) < 5 / math.sqrt(first.numel() / 2)


def test_float32_noise_has_the_tails_and_the_independence_of_the_normal_distribution():
    """Moments to the fourth and the share beyond 4 std of 10^7 numbers; the two numbers made of one word."""
    from scipy import stats

    key, n = Key.from_seed(5), 1 << 16
    blocks = [normal(key.generator(f"{k}"), n, 2.0, torch.float32).double().view(2, -1) / 2.0 for k in range(160)]
    pairs = torch.cat(blocks, dim=1)
    values = pairs.flatten()
    total = len(values)
    assert stats.kstest(values.numpy(), "norm").pvalue > 1e-5
    for power, moment in ((1, 0), (2, 1), (3, 0), (4, 3)):
        spread = math.sqrt(math.prod(range(1, 2 * power, 2)) / total)  # of the mean of z^power, at most
        assert abs((values**power).mean() - moment) < 5 * spread, power
    beyond = 2 * stats.norm.sf(4)
    assert abs((values.abs() > 4).sum() - beyond * total) < 5 * math.sqrt(beyond * total)
    for one, two in ((pairs[0], pairs[1]), (pairs[0] ** 2, pairs[1] ** 2), (pairs[0].abs(), pairs[1])):
        assert abs(stats.pearsonr(one, two).statistic) < 5 / math.sqrt(len(one))
    angles = torch.atan2(pairs[1], pairs[0]).numpy()
    assert stats.kstest(angles, stats.uniform(-math.pi, 2 * math.pi).cdf).pvalue > 1e-5


@pytest.mark.parametrize("size", [0, 1, 2, 7])
def test_noise_of_any_length(size):
    assert normal(Key().generator("x"), size, 1.0, torch.float32).shape == (size,)


def test_noise_ignores_torchs_and_numpys_seeds():
    plan = DPPlan(**ALL, steps=1, sigma=1.0)
    seen = []
    for _ in range(2):
        torch.manual_seed(0)
        np.random.seed(0)  # noqa: NPY002
        model = nn.Linear(50, 50)
        seen.append(noise_of(DPEngine(model, torch.optim.SGD(model.parameters(), lr=1.0), plan), model, plan))
    assert (seen[0] != seen[1]).all()


def test_noise_does_not_depend_on_threads():
    model, plan = nn.Linear(1500, 900), DPPlan(**ALL, steps=1, sigma=1.0)
    start, seen, threads = {k: v.clone() for k, v in model.state_dict().items()}, [], torch.get_num_threads()
    for count in (1, 3):
        torch.set_num_threads(count)
        model.load_state_dict(start)
        seen.append(noise_of(engine_for(model, plan), model, plan))
    torch.set_num_threads(threads)
    assert torch.equal(*seen)


def test_a_checkpoint_tells_nothing_about_earlier_noise():
    engine = engine_for(nn.Linear(2, 1), DPPlan(n=4, expected_batch=1, steps=3, sigma=1.0, delta=1e-5))
    keys = []
    for _ in engine.sampler(4, micro_batch=4):
        keys.append(engine.state_dict()["key"])
        engine.step()
    assert len(set(keys)) == 3
    assert all(len(bytes.fromhex(key)) == 32 for key in keys)
