"""From a name to a class: built-in rules, plug-ins, and a user's own file."""

import importlib.metadata
import sys
from importlib.metadata import EntryPoint

import pytest
import torch

from ttt3r import update_rules
from ttt3r.types import Memory
from ttt3r.update_rules import RULES, TTT3R, StateUpdateRule, check_rule, find_rule, rule_names
from ttt3r.update_rules.naming import find

MY_LAB = '''
from dataclasses import dataclass

import torch

from ttt3r.types import RuleState
from ttt3r.update_rules import Gain, GatedUpdateRule


@dataclass(frozen=True)
class Seen(RuleState):
    frames: torch.Tensor


@dataclass(frozen=True)
class MyRule(GatedUpdateRule):
    """A rule in a user's file."""

    scale: float = 1.0

    def init(self, initial_state):
        return Seen(torch.zeros_like(initial_state[:, 0, 0]))

    def gain(self, state, candidate, evidence, rule_state):
        return Gain(self.scale / (1 + rule_state.frames[:, None, None].expand_as(state[..., :1])), Seen(rule_state.frames + 1))


class Unfinished(GatedUpdateRule):
    pass


class NoRule:
    pass


ready = MyRule(0.5)
'''


@pytest.fixture
def lab(tmp_path, monkeypatch):
    """A folder with the file my_lab.py, which is the current one; the module is forgotten afterwards."""
    (tmp_path / "my_lab.py").write_text(MY_LAB)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "my_lab", raising=False)
    yield tmp_path
    sys.modules.pop("my_lab", None)


def offer(monkeypatch, *points):
    """Pretend that another package offers these rules."""
    made = importlib.metadata.EntryPoints(EntryPoint(name, value, find.ENTRY_POINTS) for name, value in points)
    monkeypatch.setattr(find, "entry_points", lambda group: made.select(group=group))


@pytest.mark.parametrize("name", RULES)
def test_a_built_in_rule_is_found_by_its_name(name):
    assert find_rule(name) is RULES[name]


def test_a_class_in_the_users_file_is_found_without_touching_the_path(lab):
    path = list(sys.path)
    rule = find_rule("my_lab.MyRule")
    assert sys.path == path
    assert issubclass(rule, StateUpdateRule)
    assert rule.__module__ == "my_lab"
    assert sys.modules["my_lab"].__file__ == str(lab / "my_lab.py")
    assert find_rule("my_lab.MyRule") is rule  # loaded once
    check_rule(rule)


def test_a_memory_of_the_users_rule_can_be_saved_and_read_back(lab):
    rule = find_rule("my_lab.MyRule")()
    state = torch.zeros(1, 2, 3)
    Memory.start(state, torch.zeros(1, 1, 2), rule.init(state)).save(lab / "memory.safetensors")
    assert type(Memory.load(lab / "memory.safetensors").rule).__module__ == "my_lab"


def test_an_importable_class_is_found_by_its_dotted_path():
    assert find_rule("ttt3r.update_rules.TTT3R") is TTT3R
    assert find_rule("ttt3r.update_rules.wrappers.rates.Scale") is update_rules.Scale


def test_a_plug_in_is_found_by_its_name_and_imported_only_then(lab, monkeypatch):
    sys.path.insert(0, str(lab))
    try:
        offer(monkeypatch, ("mine", "my_lab:MyRule"), ("broken", "no_such_package:Rule"))
        assert rule_names() == [*RULES, "broken", "mine"]
        assert find_rule("cut3r") is RULES["cut3r"]
        assert "my_lab" not in sys.modules
        assert find_rule("mine").__name__ == "MyRule"
        with pytest.raises(ImportError, match="plug-in no_such_package:Rule for rule 'broken' cannot be loaded"):
            find_rule("broken")
    finally:
        sys.path.remove(str(lab))


def test_a_plug_in_does_not_replace_a_built_in_rule(monkeypatch):
    offer(monkeypatch, ("ttt3r", "no_such_package:Rule"))
    assert find_rule("ttt3r") is TTT3R
    assert rule_names().count("ttt3r") == 1


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("ttt3", r"unknown rule 'ttt3'; did you mean ttt3r.* known rules: .*constant.*cut3r.*my_lab\.MyRule"),
        ("TTT3R", "did you mean ttt3r"),
        ("constnat", "did you mean constant"),
        ("xyzzy", "unknown rule 'xyzzy'; known rules"),
        ("", "unknown rule ''"),
        ("..", "unknown rule"),
        ("my lab.Rule", "unknown rule"),
        ("no_such_lab.MyRule", r"no module 'no_such_lab' and no file no_such_lab\.py in "),
        ("no_such.lab.MyRule", r"no module 'no_such\.lab'"),
        ("my_lab.MyRul", "no 'MyRul' in .*my_lab.py; did you mean MyRule"),
        ("my_lab.Xyzzy", "it defines MyRule, Unfinished"),
    ],
)
def test_an_unknown_rule_is_refused_with_what_there_is(lab, name, message):
    with pytest.raises(ValueError, match=message):
        find_rule(name)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("my_lab.NoRule", "my_lab.NoRule is no rule; derive it from"),
        ("my_lab.Unfinished", "is not finished: it must define gain"),
        ("my_lab.ready", "is MyRule MyRule.*not a class"),
        ("ttt3r.update_rules.GatedUpdateRule", "is not finished"),
    ],
)
def test_what_is_no_rule_is_refused_with_the_cure(lab, name, message):
    with pytest.raises(TypeError, match=message):
        find_rule(name)


def test_a_file_with_an_error_is_named_and_not_kept(lab):
    (lab / "my_lab.py").write_text("import no_such_package\n")
    with pytest.raises(ImportError, match=r"my_lab.py cannot be loaded: ModuleNotFoundError: .*no_such_package"):
        find_rule("my_lab.MyRule")
    assert "my_lab" not in sys.modules
    (lab / "my_lab.py").write_text(MY_LAB)
    assert find_rule("my_lab.MyRule").__name__ == "MyRule"


@pytest.mark.parametrize("beside", ["parts/share.py", "parts.py"])
def test_a_file_that_imports_another_beside_it_is_told_how(lab, monkeypatch, beside):
    for name in ("parts", "parts.share"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    (lab / beside).parent.mkdir(exist_ok=True)
    (lab / beside).write_text("SHARE = 0.25")
    module = beside.removesuffix(".py").replace("/", ".")
    text = f"from {module} import SHARE\n" + MY_LAB.replace("scale: float = 1.0", "scale: float = SHARE")
    (lab / "my_lab.py").write_text(text)
    with pytest.raises(ImportError, match=r"No module named 'parts'; parts lies beside it, .*PYTHONPATH=\. in front"):
        find_rule("my_lab.MyRule")
    monkeypatch.syspath_prepend(lab)
    assert repr(find_rule("my_lab.MyRule")()) == "MyRule(scale=0.25)"
