"""Examples in docstrings run; what is public states its guarantee or says what it does."""

import doctest
import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

from edgeworth_acct import torch_adapter

MODULES = [module.name for module in pkgutil.iter_modules(torch_adapter.__path__)]


@pytest.mark.parametrize("name", ["", *MODULES])
def test_examples_in_docstrings(name):
    module = importlib.import_module(f"edgeworth_acct.torch_adapter.{name}".rstrip("."))
    assert inspect.getdoc(module)
    assert doctest.testmod(module).failed == 0


README = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", README, flags=re.DOTALL | re.MULTILINE)
PROGRAMS = [code for code in BLOCKS if ">>>" not in code]


@pytest.mark.parametrize("code", PROGRAMS, ids=lambda code: code.splitlines()[1])
def test_programs_in_the_readme_run(code, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if "opacus" in code:
        pytest.importorskip("opacus", exc_type=ImportError)
    exec(compile(code, "README.md", "exec"), {"__name__": "__main__"})


def test_public_names():
    assert len(torch_adapter.__all__) == len(set(torch_adapter.__all__))  # ruff keeps their order
    for name in torch_adapter.__all__:
        value = getattr(torch_adapter, name)
        if name not in {"Callback", "FitResult", "TrainingRun"}:
            assert "Examples\n" in inspect.getdoc(value), name


def test_import_is_lean():
    code = "import sys, edgeworth_acct.torch_adapter; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    assert not {"transformers", "peft", "opacus", "scipy", "matplotlib"} & set(run.stdout.split())
