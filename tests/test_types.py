"""The nouns refuse what they cannot be, and a saved memory is data only."""

import json
from dataclasses import dataclass, replace

import pytest
import torch
from safetensors.torch import save_file

from ttt3r import tree
from ttt3r.types import Frame, Memory, Reconstruction, RuleState, Tokens


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
    doubled = torch.utils._pytree.tree_map(lambda tensor: tensor * 2, memory)
    assert isinstance(doubled, Memory)
    assert torch.equal(doubled.state, 2 * memory.state)
    tokens = Tokens(torch.randn(2, 6, 4), (2, 3))
    assert torch.utils._pytree.tree_leaves(tokens) == [tokens.patches]  # the grid is a setting


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
    again = torch.utils._pytree.tree_map(lambda tensor: tensor + 1, state)
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
