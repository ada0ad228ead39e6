"""Examples in docstrings run; what is public states its guarantee or says what it does."""

import doctest
import importlib
import inspect
import pkgutil
import subprocess
import sys

import pytest

from edgeworth_acct import torch_adapter

MODULES = [module.name for module in pkgutil.iter_modules(torch_adapter.__path__)]


@pytest.mark.parametrize("name", ["", *MODULES])
def test_examples_in_docstrings(name):
    module = importlib.import_module(f"edgeworth_acct.torch_adapter.{name}".rstrip("."))
    assert inspect.getdoc(module)
    assert doctest.testmod(module).failed == 0


def test_public_names():
    assert torch_adapter.__all__ == sorted(torch_adapter.__all__)
    for name in torch_adapter.__all__:
        text = inspect.getdoc(getattr(torch_adapter, name))
        assert "Examples\n" in text, name


def test_import_is_lean():
    code = "import sys, edgeworth_acct.torch_adapter; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    assert not {"transformers", "peft", "opacus", "scipy", "matplotlib"} & set(run.stdout.split())
