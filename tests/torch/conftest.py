"""Small tensors: one thread is faster than two."""

import pytest
import torch
from torch import nn
from torch_models import SIZE


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


@pytest.fixture
def problem():
    """A small network in float64, inputs and labels."""
    torch.manual_seed(3)
    x, y = torch.randn(SIZE, 5, dtype=torch.float64), torch.randint(3, (SIZE,))
    model = nn.Sequential(nn.Linear(5, 6), nn.Tanh(), nn.Linear(6, 3)).double()
    return model, x, y
