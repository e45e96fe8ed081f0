"""Specs as typed, and names turned into objects: every error told apart."""

from __future__ import annotations

import collections
import importlib.metadata
import keyword

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from landscape import registry
from landscape.errors import LandscapeError
from landscape.registry import Registry, Spec, call, load

numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
literals = st.recursive(
    st.none() | st.booleans() | numbers | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)
names = st.from_regex(r"[a-z_][a-z0-9_]{0,8}", fullmatch=True).filter(lambda name: not keyword.iskeyword(name))
targets = st.sampled_from(
    ["resnet", "pkg.nets:build", "dir (1)/nets.py:build", "../a.npz", "model (2).pt", "top-k-accuracy"]
)


@settings(max_examples=50)
@given(target=targets, kwargs=st.dictionaries(names, literals, max_size=4))
def test_specs_go_round(target, kwargs):
    spec = Spec(target, kwargs)
    assert Spec.parse(str(spec)) == spec


@pytest.mark.parametrize(
    ("text", "target", "kwargs"),
    [
        ("resnet20", "resnet20", {}),
        (" resnet() ", "resnet", {}),
        ("resnet (depth=56, norm='none')", "resnet", {"depth": 56, "norm": "none"}),
        ("dir(a)/nets.py:build(k=(1, 2))", "dir(a)/nets.py:build", {"k": (1, 2)}),
        ("set.npz(mean='imag(e)net')", "set.npz", {"mean": "imag(e)net"}),
        ("a(b)c.npz", "a(b)c.npz", {}),
    ],
)
def test_specs_are_read_as_typed(text, target, kwargs):
    assert Spec.parse(text) == Spec(target, kwargs)


@pytest.mark.parametrize(
    "text",
    [
        "depth=__import__('os')",
        "depth=open('x').read()",
        "depth=[x for x in ()]",
        "depth=a",
        "56",
        "**{'depth': 56}",
        "depth=20, depth=56",
        "depth={[]: 1}",
        "depth=",
        "x" * 5000,
        "a=" + "(" * 500 + "1" + ")" * 500,
    ],
)
def test_settings_are_literals_and_never_evaluated(text):
    with pytest.raises(LandscapeError, match=r"cannot read the settings in .*write them as name=value"):
        Spec.parse(f"resnet({text})")


def test_an_empty_name_is_refused():
    with pytest.raises(LandscapeError, match="an empty name was given; name a model, data set"):
        Spec.parse("  ")


def test_a_file_whose_name_ends_in_parentheses_is_a_target(tmp_path):
    (tmp_path / "model (1)").touch()
    assert Spec.parse(str(tmp_path / "model (1)")) == Spec(str(tmp_path / "model (1)"))


def test_the_identity_of_a_spec_drops_folders(tmp_path):
    (tmp_path / "set.npz").touch()
    (tmp_path / "data").mkdir()
    assert Spec(str(tmp_path / "set.npz"), {"mean": "imagenet"}).identity() == "set.npz(mean='imagenet')"
    assert Spec("cifar10", {"root": str(tmp_path / "data") + "/"}).identity() == "cifar10(root='data')"
    assert Spec("absent/set.npz").identity() == "absent/set.npz"


def test_the_identity_of_a_file_follows_its_content(tmp_path):
    file = tmp_path / "nets.py"
    file.write_text("def build(): ...")
    first = Spec(f"{file}:build", {"k": 5}).identity()
    assert first.startswith("nets.py:build(k=5)#")
    (tmp_path / "elsewhere").mkdir()
    moved = file.rename(tmp_path / "elsewhere" / "nets.py")
    assert Spec(f"{moved}:build", {"k": 5}).identity() == first
    moved.write_text("def build(): pass")
    assert Spec(f"{moved}:build", {"k": 5}).identity() != first


def test_load_imports_from_modules_and_files(tmp_path):
    (tmp_path / "neighbour.py").write_text("number = 7")
    (tmp_path / "nets.py").write_text("import neighbour\nclass Nets:\n    number = neighbour.number")
    assert load("collections:OrderedDict.fromkeys") == collections.OrderedDict.fromkeys
    assert load(f"{tmp_path / 'nets.py'}:Nets.number") == 7


def test_two_files_of_one_name_are_two_modules(tmp_path):
    for number in (1, 2):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "nets.py").write_text(f"number = {number}")
    assert [load(f"{tmp_path / str(number) / 'nets.py'}:number") for number in (1, 2)] == [1, 2]


@pytest.mark.parametrize("path", ["nocolon", ":attribute", "module:", ""])
def test_what_is_no_import_path_is_said(path):
    with pytest.raises(LandscapeError, match=r"is not an import path; write 'package\.module:name' or 'file\.py:name'"):
        load(path)


def test_missing_files_modules_and_attributes_are_told_apart(tmp_path):
    file = tmp_path / "nets.py"
    file.write_text("def build(): ...\ndef train(): ...\nnumber = 3")
    with pytest.raises(LandscapeError, match=r"there is no file '.*absent\.py' to import from"):
        load(f"{tmp_path / 'absent.py'}:build")
    with pytest.raises(
        LandscapeError, match=r"there is no module 'absent_module' to import 'absent_module\.nets' from"
    ):
        load("absent_module.nets:build")
    with pytest.raises(LandscapeError, match=r"there is no module 'json\.absent'"):
        load("json.absent:build")
    with pytest.raises(LandscapeError, match=r"nets\.py has no 'biuld'; did you mean build\? \(known: build, train\)"):
        load(f"{file}:biuld")
    with pytest.raises(LandscapeError, match=r"nets\.py has no 'number\.real_part'"):
        load(f"{file}:number.real_part")


@pytest.mark.parametrize(
    ("code", "sign"),
    [
        ("import absent_requirement", "ModuleNotFoundError: No module named 'absent_requirement'"),
        ("1 / 0", "ZeroDivisionError"),
        ("def build(:", "SyntaxError"),
        ("import sys; sys.exit(2)", "SystemExit: 2"),
    ],
)
@pytest.mark.parametrize("kind", ["file", "module"])
def test_a_failure_inside_the_users_code_shows_its_traceback(tmp_path, monkeypatch, code, sign, kind):
    file = tmp_path / f"failing_{abs(hash(code))}.py"
    file.write_text(code)
    monkeypatch.syspath_prepend(str(tmp_path))
    place = str(file) if kind == "file" else file.stem
    with pytest.raises(LandscapeError, match="failed, inside that code:\n(?s:.*)" + sign) as caught:
        load(f"{place}:build")
    assert f'"{file}", line 1' in str(caught.value)


THINGS = Registry("thing", {"ordered": "collections:OrderedDict", "pi": "math:pi", "broken": "json.absent:x"})


def test_a_registry_finds_names_and_import_paths():
    assert THINGS.get("ordered") is THINGS.get("collections:OrderedDict")
    assert THINGS.names() == ("ordered", "pi", "broken")
    assert dict(THINGS.build("ordered(a=1)", b=2)) == {"b": 2, "a": 1}
    assert dict(THINGS.build(Spec("ordered", {"a": 1}), a=3)) == {"a": 1}


def test_an_unknown_name_suggests_the_nearest():
    with pytest.raises(LandscapeError, match=r"unknown thing 'orderd'; did you mean ordered\? \(known: broken, "):
        THINGS.get("orderd")
    with pytest.raises(LandscapeError, match="the thing 'pi' is a float, not something to call"):
        THINGS.build("pi")


def test_plugins_are_found_by_entry_points(monkeypatch):
    entry = importlib.metadata.EntryPoint("counter", "collections:Counter", "landscape.things")
    taken = importlib.metadata.EntryPoint("ordered", "collections:Counter", "landscape.things")
    found = {"landscape.things": (entry, taken)}
    monkeypatch.setattr(registry, "entry_points", lambda group: found.get(group, ()))
    assert THINGS.names() == ("ordered", "pi", "broken", "counter")
    assert THINGS.get("counter") is collections.Counter
    assert THINGS.get("ordered") is collections.OrderedDict
    assert Registry("other", {}).names() == ()


def build(depth, width=3):
    if depth < 0:
        raise ValueError("depth must not be negative")
    if depth == 0:
        raise LandscapeError("a clear sentence")
    return depth, width


def test_wrong_arguments_and_failures_inside_a_factory_are_told_apart():
    assert call("thing build", build, depth=2) == (2, 3)
    with pytest.raises(LandscapeError, match=r"thing build: got an unexpected .*'size'; it takes depth, width"):
        call("thing build", build, depth=2, size=1)
    with pytest.raises(LandscapeError, match="thing build: missing a required argument: 'depth'; it takes depth"):
        call("thing build", build)
    with pytest.raises(LandscapeError, match="it takes no settings"):
        call("thing", lambda: 1, size=1)
    with pytest.raises(LandscapeError, match=r"inside that code:\n(?s:.*)in build(?s:.*)Error: depth must") as caught:
        call("thing build", build, depth=-1)
    assert str(caught.value).count("File ") == 1  # the user's own frame alone
    with pytest.raises(LandscapeError, match=r"^a clear sentence$"):
        call("thing build", build, depth=0)


def test_callables_without_a_signature_are_called():
    assert call("dict", dict, a=1) == {"a": 1}


@pytest.mark.parametrize(
    ("text", "said"), [("resnet(depth=20", "a parenthesis is not closed"), ("nets.py", "nets.py:FUNCTION")]
)
def test_slips_are_named(text, said):
    with pytest.raises(LandscapeError, match=said):
        Registry("model", {}).build(text)
