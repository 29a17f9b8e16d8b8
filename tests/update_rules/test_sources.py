"""The fingerprint of a rule: equal in another process, another after every edit that could change what the rule does."""

import subprocess
import sys

import pytest
import torch

from ttt3r.update_rules import TTT3R, ConstantRate, LearnedToken, Scale
from ttt3r.update_rules.sources import rule_fingerprint

RULE = """
from dataclasses import dataclass
from pathlib import Path
import torch
{imports}
from ttt3r.update_rules import Gain, GatedUpdateRule

@dataclass(frozen=True)
class MyRule(GatedUpdateRule):
    table: Path | None = None
    def gain(self, state, candidate, evidence, rule_state):
        return Gain(torch.full_like(state[..., :1], 0.5))
"""
ASK = "from ttt3r.update_rules.sources import rule_fingerprint; from my_lab import MyRule; print(rule_fingerprint(MyRule({})))"


def ask(folder, settings=""):
    told = subprocess.run(
        [sys.executable, "-c", ASK.format(settings)], cwd=folder, capture_output=True, text=True, check=True
    )
    return told.stdout.strip()


@pytest.mark.parametrize(
    ("imports", "files", "edited"),
    [
        ("", {}, "my_lab.py"),
        ("import helper", {"helper.py": "A = 1"}, "helper.py"),
        ("from helper import A", {"helper.py": "A = 1"}, "helper.py"),
        ("from tools.deep import f", {"tools/__init__.py": "", "tools/deep.py": "def f(): ..."}, "tools/deep.py"),
        ("from tools import deep", {"tools/__init__.py": "", "tools/deep.py": "def f(): ..."}, "tools/deep.py"),
        ("import tools.deep", {"tools/__init__.py": "K = 1", "tools/deep.py": ""}, "tools/__init__.py"),
        ("import tools", {"tools/__init__.py": "from .deep import f", "tools/deep.py": "f = 1"}, "tools/deep.py"),
        ("import one", {"one.py": "import two", "two.py": "import one\nA = 1"}, "two.py"),
        ("def late():\n    import helper", {"helper.py": "A = 1"}, "helper.py"),
        ("import importlib; h = importlib.import_module('helper')", {"helper.py": "A = 1"}, "helper.py"),
    ],
)
def test_an_edit_of_the_source_or_of_a_helper_is_another_rule(tmp_path, imports, files, edited):
    (tmp_path / "my_lab.py").write_text(RULE.format(imports=imports))
    (tmp_path / "unused.py").write_text("A = 1")
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    before = ask(tmp_path)
    (tmp_path / "unused.py").write_text("A = 2")
    assert ask(tmp_path) == before
    with (tmp_path / edited).open("a") as file:
        file.write("\nB = 2\n")
    assert ask(tmp_path) != before


def test_a_file_that_a_setting_names_counts_by_its_content(tmp_path):
    (tmp_path / "my_lab.py").write_text(RULE.format(imports=""))
    (tmp_path / "table.txt").write_text("1")
    before = ask(tmp_path, "'table.txt'")
    assert ask(tmp_path, "'table.txt'") == before
    (tmp_path / "table.txt").write_text("2")
    assert ask(tmp_path, "'table.txt'") != before


def test_a_base_class_of_another_file_counts(tmp_path):
    (tmp_path / "base_lab.py").write_text(RULE.format(imports=""))
    (tmp_path / "my_lab.py").write_text("import base_lab\nclass MyRule(base_lab.MyRule): ...\n")
    before = ask(tmp_path)
    (tmp_path / "base_lab.py").write_text(RULE.format(imports="").replace("0.5", "0.6"))
    assert ask(tmp_path) != before


def test_settings_and_parts_count():
    found = [ConstantRate(0.1), ConstantRate(0.2), TTT3R(), Scale(ConstantRate(0.1), 2.0)]
    found += [Scale(ConstantRate(0.2), 2.0)]
    assert len({rule_fingerprint(rule) for rule in found}) == len(found)
    assert rule_fingerprint(ConstantRate(0.1)) == rule_fingerprint(ConstantRate(0.1))


def test_weights_replaced_under_one_path_are_another_rule(tmp_path):
    rule = LearnedToken(channel=8)
    rule.save(tmp_path / "gate.safetensors")
    before = rule_fingerprint(LearnedToken(weights=tmp_path / "gate.safetensors"))
    assert rule_fingerprint(LearnedToken(weights=tmp_path / "gate.safetensors")) == before
    with torch.no_grad():
        next(rule.parameters()).add_(1)
    rule.save(tmp_path / "gate.safetensors")
    assert rule_fingerprint(LearnedToken(weights=tmp_path / "gate.safetensors")) != before
