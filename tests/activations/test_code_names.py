"""Functions named by texts: files and modules, literal arguments, and weights."""

from __future__ import annotations

import sys

import pytest
from torch import nn

import spanmatch as sm
from spanmatch.activations import from_names
from spanmatch.activations.code_names import names_function, parsed


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("d/nets.py:make", ("d/nets.py", "make", (), {}, "")),
        ("nets.py:make@w.pt", ("nets.py", "make", (), {}, "w.pt")),
        ("d@1/nets.py:make@d@1/w (1).pt", ("d@1/nets.py", "make", (), {}, "d@1/w (1).pt")),
        (r"C:\d\nets.py:make", (r"C:\d\nets.py", "make", (), {}, "")),
        ("timm:create_model", ("timm", "create_model", (), {}, "")),
        (
            'timm:create_model("resnet50", pretrained=True)@w.pt',
            ("timm", "create_model", ("resnet50",), {"pretrained": True}, "w.pt"),
        ),
        ("a.b.c:f([1, -2.5], {'k': (None,)})", ("a.b.c", "f", ([1, -2.5], {"k": (None,)}), {}, "")),
        ('a:f("x)@y.pt:(")@z.pt', ("a", "f", ("x)@y.pt:(",), {}, "z.pt")),
        ("nets.py:make()", ("nets.py", "make", (), {}, "")),
    ],
)
def test_the_parts_of_a_name(text, parts):
    code = parsed(text)
    assert (code.place, code.function, code.args, code.kwargs, code.weights) == parts
    assert names_function(text)


@pytest.mark.parametrize("text", ["a.npz", "hub", "d/a.zarr", "a:b.npz", "./a:b", "C:\\d\\a.npz", "x:", ":f", "1a:f"])
def test_paths_are_no_names_of_functions(text):
    assert not names_function(text)


def test_a_file_that_is_there_is_a_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a:b").mkdir()
    assert not names_function("a:b") and names_function("a:c")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a:f(torch.float16)", "torch.float16 is no literal; give numbers, texts in quotes"),
        ("a:f(__import__('os').system('echo'))", "is no literal"),
        ("a:f(x=[open('f')])", "is no literal"),
        ("a:f(*[1])", "is no literal"),
        ("a:f(**{'x': 1})", "give each argument by its name"),
        ("a:f(1", "are no arguments of a call"),
        ("a:f(1).eval()", "'.eval()' after the arguments"),
        ("a:f(1)(2)", "'(2)' after the arguments"),
    ],
)
def test_anything_but_literals_is_refused(text, message):
    with pytest.raises(sm.errors.BadArgument) as caught:
        parsed(text)
    assert message in str(caught.value)


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A package as others install them, with a module that fails."""
    folder = tmp_path / "installed" / "zoo_of_tests"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    (folder / "models.py").write_text(
        "from torch import nn\n"
        "def create(name, width=2, *, bias=False):\n"
        "    assert name == 'linear'\n"
        "    return nn.Linear(3, width, bias=bias)\n"
    )
    (folder / "broken.py").write_text("import nothing_of_that_name\n")
    monkeypatch.syspath_prepend(folder.parent)
    yield
    for name in [name for name in sys.modules if name.startswith("zoo_of_tests")]:
        del sys.modules[name]


def test_a_function_of_an_installed_package_is_called_with_its_arguments(installed, tmp_path):
    made = from_names.network('zoo_of_tests.models:create("linear", width=5, bias=True)')
    assert isinstance(made, nn.Linear) and made.out_features == 5 and made.bias is not None
    (tmp_path / "nets.py").write_text("from zoo_of_tests.models import create\n")
    made = from_names.network(f'{tmp_path}/nets.py:create("linear", 4)')
    assert made.out_features == 4 and made.bias is None
    assert from_names.network("torch.nn:Linear(3, 2)").out_features == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "nowhere_to_be_found:f",
            "no module 'nowhere_to_be_found' is installed; install the package that has it, as pip",
        ),
        ("zoo_of_tests.modelz:f", "there is no module 'zoo_of_tests.modelz' in what is installed"),
        ("zoo_of_tests.models:creat", "zoo_of_tests.models has no function 'creat'; there is create"),
        ("zoo_of_tests.broken:f", "zoo_of_tests.broken cannot be imported: No module named 'nothing_of_that_name'"),
        ("zoo_of_tests.models:create('conv')", "failed: AssertionError"),
        ("zoo_of_tests.models:create()", "failed: TypeError: create() missing 1 required positional argument"),
    ],
)
def test_what_cannot_be_had_is_said(installed, text, message):
    with pytest.raises(sm.SpanmatchError) as caught:
        from_names.network(text)
    assert message in str(caught.value)


def test_a_function_that_is_called_by_others_takes_no_arguments_here(tmp_path):
    (tmp_path / "nets.py").write_text("def make(seed):\n    return seed\n")
    with pytest.raises(sm.errors.BadArgument, match=r"give the function alone, as .*nets.py:make"):
        from_names.function(f"{tmp_path}/nets.py:make(3)")
