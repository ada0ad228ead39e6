"""Two processes share every batch: the same parameters as one process, and the same on both."""

import subprocess
import sys
import textwrap

import torch

PROGRAM = """
    import sys

    import torch
    from torch import distributed, nn

    from edgeworth_acct.torch_adapter import DPEngine, DPPlan, fit

    torch.set_num_threads(1)
    folder, ranks = sys.argv[1], int(sys.argv[2])
    rank = 0
    if ranks > 1:
        distributed.init_process_group("gloo")
        rank = distributed.get_rank()
    torch.manual_seed(rank)  # other initial weights, which rank 0's replace
    model = nn.Sequential(nn.Embedding(30, 8), nn.Flatten(), nn.Linear(40, 3))
    generator = torch.Generator().manual_seed(1)
    x, y = torch.randint(30, (200, 5), generator=generator), torch.randint(3, (200,), generator=generator)
    data = [(x[k], y[k]) for k in range(200)]
    plan = DPPlan(n=200, expected_batch=7, steps=15, sigma=1.0, delta=1e-3)  # shards of 0 to 5 records
    options = {"lr": 0.05, "progress": False, "micro_batch": 4, "checkpoint": f"{folder}/{ranks}"}
    result = fit(model, data, plan, optimizer=lambda p: torch.optim.SGD(p, lr=0.5), insecure_reproducible=True, seed=1,
                 **options)
    assert result.epsilon == plan.bounds
    torch.save(model.state_dict(), f"{folder}/{ranks}-{rank}.pt")

    # Without a seed, the secret is rank 0's.
    engine = DPEngine(model, torch.optim.SGD(model.parameters(), lr=0.5), plan)
    for step in engine.sampler(200, micro_batch=4):
        for mb in step:
            rows = mb.indices.clamp(min=0)
            engine.backward(nn.functional.cross_entropy(model(x[rows]), y[rows], reduction="none"), mask=mb.mask)
        engine.step()
    torch.save(model.state_dict(), f"{folder}/secret-{ranks}-{rank}.pt")
    if ranks > 1:
        distributed.destroy_process_group()
"""


def test_two_processes_are_one(tmp_path):
    script = tmp_path / "program.py"
    script.write_text(textwrap.dedent(PROGRAM))
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    for launcher, ranks in (([sys.executable], "1"), (torchrun, "2")):
        run = subprocess.run([*launcher, script, tmp_path, ranks], capture_output=True, text=True, timeout=120)
        assert run.returncode == 0, run.stderr
    one, first, second = (torch.load(tmp_path / f"{name}.pt") for name in ("1-0", "2-0", "2-1"))
    for name, value in one.items():
        assert torch.equal(first[name], second[name]), name
        assert (first[name] - value).abs().max() <= 1e-5 * value.abs().max(), name
    first, second = (torch.load(tmp_path / f"secret-2-{rank}.pt") for rank in (0, 1))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert (tmp_path / "2" / "weights.pt").exists()
