"""The nouns refuse what they cannot be, and a saved memory is data only."""

import json
import re
import sys
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch.utils import _pytree as pytree

from ttt3r import tree
from ttt3r.saved_tree import describe
from ttt3r.types import Frame, Memory, Reconstruction, RuleState, Tokens
from ttt3r.update_rules import RULES, Recorded, Scale


@pytest.fixture
def memory():
    return Memory.start(torch.randn(2, 3, 4), torch.randn(2, 5, 8))


def test_a_memory_comes_back_bit_by_bit(memory, tmp_path):
    memory.save(tmp_path / "m")
    again = Memory.load(tmp_path / "m")
    pairs = zip(tree.named_tensors(memory), tree.named_tensors(again), strict=True)
    assert all(a == b and torch.equal(x, y) for (a, x), (b, y) in pairs)


@pytest.mark.parametrize(
    "claim",
    [
        {"value": 3},
        {"tensor": "a"},
        {"class": "ttt3r.types:RuleState", "fields": {}},
        {"class": "ttt3r.types:Memory", "fields": {}},
        {"class": "os:system", "fields": {"command": {"value": "true"}}},
        {"tensor": "missing"},
        [],
    ],
)
def test_a_file_that_holds_no_memory_is_refused(tmp_path, claim):
    save_file({"a": torch.zeros(1)}, tmp_path / "m", metadata={"memory": json.dumps(claim)})
    with pytest.raises(ValueError, match=r"memory|imported|missing|structure"):
        Memory.load(tmp_path / "m")


OLDER = {
    "class": "ttt3r.types:Memory",
    "fields": {
        "state": {"tensor": "state"},
        "pose": {"tensor": "pose"},
        "rule": {
            "class": "ttt3r.update_rules.filt3r:Filter",
            "fields": {
                "variance": {"tensor": "rule.variance"},
                "candidate": {"tensor": "rule.candidate"},
                "drift": {"tensor": "rule.drift"},
            },
        },
        "age": {"tensor": "age"},
        "seen": {"tensor": "seen"},
        "chunk_to_world": {"tensor": "chunk_to_world"},
    },
}
"""What releases before format 2 wrote about a memory of `filt3r`."""


def header(path):
    with safe_open(path, "pt") as file:
        return file.metadata()


def save_as(path, memory, description):
    tensors = {name: tensor.contiguous().clone() for name, tensor in tree.named_tensors(memory)}
    save_file(tensors, path, metadata={"memory": json.dumps(description)})


def same(first, second):
    pairs = zip(tree.named_tensors(first), tree.named_tensors(second), strict=True)
    assert type(first.rule) is type(second.rule)
    return all(a == b and torch.equal(x, y) for (a, x), (b, y) in pairs)


def of_rule(memory, rule):
    return replace(memory, rule=rule.init(memory.state))


@pytest.mark.parametrize("name", RULES)
def test_no_file_names_a_module_and_all_come_back(memory, tmp_path, name):
    full = of_rule(memory, Recorded(Scale(RULES[name]())))
    full.save(tmp_path / "m")
    found = header(tmp_path / "m")
    assert json.loads(found["memory"])["format"] == 2
    assert "ttt3r" not in found["memory"]
    assert ":" not in re.sub(r'": ', "", found["memory"])
    assert same(Memory.load(tmp_path / "m"), full)
    assert describe(Memory.load(tmp_path / "m")) == describe(full)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_a_memory_of_any_precision_and_layout_comes_back_bit_for_bit(memory, tmp_path, dtype):
    turned = replace(
        memory,
        state=memory.state.to(dtype).mT.contiguous().mT,  # not laid out row by row
        pose=memory.pose[:, :1].to(dtype).expand_as(memory.pose),  # one row that stands for all
    )
    turned.save(tmp_path / "m")
    found = Memory.load(tmp_path / "m")
    assert (found.state.dtype, found.pose.dtype) == (dtype, dtype)
    assert same(found, turned)


def test_memories_of_older_releases_are_read_also_where_a_class_has_moved(memory, tmp_path):
    full = of_rule(memory, RULES["filt3r"]())
    save_as(tmp_path / "m", full, OLDER)
    assert same(Memory.load(tmp_path / "m"), full)
    moved = json.loads(json.dumps(OLDER).replace("ttt3r.update_rules.filt3r", "ttt3r.update_rules.elsewhere.kalman"))
    save_as(tmp_path / "m", full, moved)
    assert same(Memory.load(tmp_path / "m"), full)


def test_a_newer_format_is_refused_with_the_cure(memory, tmp_path):
    save_as(tmp_path / "m", memory, describe(memory) | {"format": 4})
    with pytest.raises(ValueError, match="of format 4, which a newer release wrote; update ttt3r"):
        Memory.load(tmp_path / "m")


def state_of(module, name="Filter") -> Any:
    """A state of a user's rule, with the name and the fields of one of this package."""
    space: dict = {"__name__": module}
    kind = type(name, (RuleState,), {**space, "__module__": module, "__annotations__": {"variance": torch.Tensor}})
    return dataclass(frozen=True)(kind)


def test_classes_of_one_name_are_distinguished(memory, tmp_path):
    first, second = state_of("first_lab"), state_of("second_lab")
    for kind in (first, second):
        full = replace(memory, rule=kind(torch.ones(2, 3)))
        full.save(tmp_path / kind.__module__)
        assert kind.__module__ not in header(tmp_path / kind.__module__)["memory"]
        assert type(Memory.load(tmp_path / kind.__module__).rule) is kind
    older = describe(memory) | {"class": "ttt3r.types:Memory"}
    for kind in (second, first):
        older["fields"]["rule"] = {
            "class": f"{kind.__module__}:Filter",
            "fields": {"variance": {"tensor": "rule.variance"}},
        }
        save_as(tmp_path / "older", replace(memory, rule=kind(torch.ones(2, 3))), older)
        assert type(Memory.load(tmp_path / "older").rule) is kind
    older["fields"]["rule"]["class"] = "third_lab:Filter"
    save_as(tmp_path / "older", replace(memory, rule=first(torch.ones(2, 3))), older)
    with pytest.raises(ValueError, match="as first_lab and second_lab define one; import only the one"):
        Memory.load(tmp_path / "older")
    own = of_rule(memory, RULES["filt3r"]())
    own.save(tmp_path / "own")
    assert same(Memory.load(tmp_path / "own"), own)


def test_a_class_of_ones_own_that_was_moved_is_found(memory, tmp_path):
    old = state_of("old_lab", "Moved")
    full = replace(memory, rule=old(torch.ones(2, 3)))
    full.save(tmp_path / "m")
    old.__module__ = "new_lab"
    assert type(Memory.load(tmp_path / "m").rule) is old


@pytest.mark.parametrize(
    "name", ["os:system", "os.system", "system#00000000", "ttt3r.types:Frame", "Frame", "Path", ""]
)
def test_a_header_makes_nothing_but_memories_and_imports_nothing(memory, tmp_path, name):
    claim = describe(memory)
    claim["fields"]["rule"] = {"class": name, "fields": {}}
    before = set(sys.modules)
    save_as(tmp_path / "m", memory, claim)
    with pytest.raises(ValueError, match="is not imported here; import its module first"):
        Memory.load(tmp_path / "m")
    assert set(sys.modules) == before


def test_other_files_are_refused(tmp_path):
    (tmp_path / "text").write_text("no")
    save_file({"a": torch.zeros(1)}, tmp_path / "plain")
    for name in ("text", "plain"):
        with pytest.raises(ValueError, match=name):
            Memory.load(tmp_path / name)


def test_a_list_in_a_tree_is_refused_and_not_passed_over():
    with pytest.raises(ValueError, match="not a list"):
        tree.detach({"a": [torch.zeros(1)]})  # pyright: ignore[reportArgumentType]


def test_frames_say_what_is_wrong_with_them():
    image = torch.zeros(1, 3, 16, 32)
    with pytest.raises(ValueError, match="neither"):
        Frame()
    with pytest.raises((ValueError, TypeError), match="loat"):  # by hand, or by the shape checks where they are on
        Frame(image.byte())  # pyright: ignore[reportArgumentType]


def test_a_reconstruction_moves_as_a_rigid_body():
    motion = torch.eye(4)[None].clone()
    motion[0, :3, 3] = torch.tensor([1.0, 2.0, 3.0])
    moved = Reconstruction(camera_to_world=torch.eye(4)[None], points_world=torch.zeros(1, 2, 2, 3)).moved(motion)
    assert moved.camera_to_world is not None
    assert torch.equal(moved.camera_to_world, motion)
    assert torch.equal(moved.points_world[0, 0, 0], motion[0, :3, 3])  # pyright: ignore[reportOptionalSubscript]
    assert Reconstruction().moved(motion) == Reconstruction()


def test_torch_sees_into_the_nouns(memory):
    doubled = pytree.tree_map(lambda tensor: tensor * 2, memory)
    assert isinstance(doubled, Memory)
    assert torch.equal(doubled.state, 2 * memory.state)
    tokens = Tokens(torch.randn(2, 6, 4), (2, 3))
    assert pytree.tree_leaves(tokens) == [tokens.patches]  # the grid is a setting


def test_functions_of_a_memory_are_mapped_and_differentiated(memory):
    def energy(state: torch.Tensor) -> torch.Tensor:
        return replace(memory, state=state).state.square().sum()

    assert torch.allclose(torch.func.grad(energy)(memory.state), 2 * memory.state)
    means = torch.func.vmap(lambda one: one.state.mean())(memory)  # over the batch of every tensor in it
    assert torch.allclose(means, memory.state.mean(dim=(1, 2)))


def test_a_rule_state_of_ones_own_is_seen_too():
    @dataclass(frozen=True)
    class Mine(RuleState):
        mean: torch.Tensor
        settings: tuple[int, int] = (2, 3)

    state = Mine(torch.ones(2, 3))
    again = pytree.tree_map(lambda tensor: tensor + 1, state)
    assert torch.equal(again.mean, torch.full((2, 3), 2.0))
    assert again == Mine(again.mean, (2, 3))


def test_a_memory_goes_through_torch_export(memory):
    class Forget(torch.nn.Module):
        def forward(self, memory: Memory) -> Memory:
            return replace(memory, state=0.5 * memory.state, age=memory.age + 1)

    exported = torch.export.export(Forget(), (memory,)).module()(memory)
    assert isinstance(exported, Memory)
    assert torch.equal(exported.state, 0.5 * memory.state)
    assert exported.age.tolist() == [1, 1]
