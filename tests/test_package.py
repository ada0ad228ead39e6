"""What is installed: names, stubs, examples, a lean import, and a binding that mirrors the C header."""

import ast
import doctest
import importlib
import inspect
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

import edgeworth_acct
from edgeworth_acct import _core, errors

PACKAGE = Path(edgeworth_acct.__file__).parent
ROOT = Path(__file__).resolve().parents[1]
MODULES = ["", *(f".{path.stem}" for path in PACKAGE.glob("*.py") if path.stem not in {"__init__", "__main__"})]


def test_version_and_public_names():
    assert edgeworth_acct.__version__ == metadata.version("edgeworth-acct")
    assert edgeworth_acct.__all__ == sorted(edgeworth_acct.__all__)
    for name in edgeworth_acct.__all__:
        assert inspect.getdoc(getattr(edgeworth_acct, name))


@pytest.mark.parametrize("name", ["edgeworth_acct" + module for module in MODULES])
def test_examples_in_docstrings(name):
    failed, _ = doctest.testmod(importlib.import_module(name))
    assert failed == 0


def test_every_public_function_states_its_guarantee_and_shows_an_example():
    for name in edgeworth_acct.__all__:
        value = getattr(edgeworth_acct, name)
        if inspect.isfunction(value):
            for section in ("Guarantee: ", "Parameters\n", "Returns\n", "Raises\n", "Examples\n"):
                assert section in inspect.getdoc(value), (name, section)


def test_import_is_lean():
    code = "import sys, edgeworth_acct; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    loaded = set(run.stdout.split())
    assert not loaded & {"torch", "scipy", "mpmath", "flint", "matplotlib", "argparse", "concurrent.futures"}
    assert not loaded & {"opacus", "dp_accounting", "edgeworth_acct.interop"}


def test_only_numpy_is_required():
    required = [line for line in metadata.requires("edgeworth-acct") if "extra ==" not in line]
    assert [re.match(r"[\w-]+", line)[0] for line in required] == ["numpy"]


def test_typing_files_are_installed_and_sources_are_not():
    assert (PACKAGE / "py.typed").is_file()
    assert (PACKAGE / "_core.pyi").is_file()
    if PACKAGE.parent != ROOT:  # an editable install is the source folder
        assert not [path.name for path in PACKAGE.rglob("*") if path.suffix in {".c", ".h", ".pyx", ".pxd"}]


def test_stubs_say_what_the_binding_has():
    stub = ast.parse((PACKAGE / "_core.pyi").read_text())
    functions = {node.name: node for node in stub.body if isinstance(node, ast.FunctionDef)}
    names = functions.keys() | {node.target.id for node in stub.body if isinstance(node, ast.AnnAssign)}
    names |= {node.name for node in stub.body if isinstance(node, ast.ClassDef)}
    assert names == {name for name in vars(_core) if not name.startswith("_") and name not in {"Workspace", "Arena"}}
    for name, node in functions.items():
        assert [argument.arg for argument in node.args.args] == list(inspect.signature(getattr(_core, name)).parameters)


def test_binding_mirrors_the_header():
    headers = [(ROOT / "csrc" / name).read_text() for name in ("edgeworth.h", "expansion.h")]
    code = re.sub(r"/\*.*?\*/", "", "".join(headers), flags=re.DOTALL)
    declared = (ROOT / "edgeworth_acct" / "_core.pxd").read_text()
    for name in re.findall(r"\bew_\w+(?=\()", code):
        assert f"{name}(" in declared
    status, adjacency, method = re.findall(r"typedef enum {(.*?)}", code, flags=re.DOTALL)
    assert ["EW_OK", *re.findall(r"EW_\w+", status)[1:-1]] == sorted(_core.STATUS, key=_core.STATUS.get)
    order = [name.removeprefix("EW_").lower() for name in re.findall(r"EW_\w+", adjacency)]
    assert {name: code for code, name in enumerate(order)} == _core.ADJACENCY
    assert sorted(_core.METHOD.values()) == list(range(method.count("EW_")))


def test_every_status_becomes_an_exception():
    assert sorted(_core.STATUS.values()) == list(range(_core.STATUS_COUNT))
    assert _core.STATUS["EW_OK"] == 0
    assert sorted(errors.STATUS_ERRORS) == list(range(1, _core.STATUS_COUNT))
    arguments = {"sigma", "q", "steps", "delta", "epsilon", "adjacency", "rtol", "method", "order", "tilt"}
    for exception, argument in errors.STATUS_ERRORS.values():
        assert issubclass(exception, ValueError | errors.PrecisionError)
        assert argument is None or argument in arguments


def test_precision_error_is_an_arithmetic_error():
    assert issubclass(edgeworth_acct.PrecisionError, ArithmeticError)
    assert not issubclass(edgeworth_acct.PrecisionError, ValueError)
