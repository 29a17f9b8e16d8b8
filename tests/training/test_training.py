"""Training through time on a micro network: it learns, it is reproducible, it goes on where it stopped."""

import csv
import json
import math
import os
import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ttt3r import tree
from ttt3r.data.procedural import ClipTruth, WorldConfig, sample_clips
from ttt3r.files import locked
from ttt3r.geometry import rotation_degrees
from ttt3r.network import CUT3R, CUT3RConfig, load_network, save_network
from ttt3r.reconstructor import Reconstructor
from ttt3r.rollout import rollout
from ttt3r.training.clips import TrainingClips, batch_at
from ttt3r.training.fitting import Machine, train
from ttt3r.training.losses import (
    LossWeights,
    between_token_share,
    confident_distance,
    effective_rank,
    frame_loss,
    sameness,
)
from ttt3r.training.module import TrainingModule
from ttt3r.training.nano import nano_recipe, refinement
from ttt3r.training.optimizers import optimizers_of, schedule
from ttt3r.training.processor import precision_for
from ttt3r.training.questions import known_cameras, with_questions
from ttt3r.training.recipe import Recipe, Stage
from ttt3r.types import LengthUnit, Outputs, Reconstruction
from ttt3r.update_rules import FullOverwrite

WORLD = WorldConfig(width=32, height=32, rooms=(1, 1), solids=(0, 1))
MICRO = replace(
    CUT3RConfig.nano(), encoder_width=32, encoder_depth=1, width=32, depth=4, heads=2, state_heads=2, encoder_heads=2,
    ray_heads=2, ray_depth=1, state_tokens=6, slots=2,
)  # fmt: skip


def recipe(steps, **changes):
    return Recipe(stages=(Stage(steps, (2, 3), 1, 4, WORLD),), warmup=2, average=0.5, **changes)


@pytest.fixture(scope="module")
def truth():
    return ClipTruth.of(sample_clips(WORLD, batch=3, frames=4, seed=1))


def losses(module, steps):
    """Total loss of the first steps, without Lightning's loop."""
    optimizer = torch.optim.AdamW(module.model.parameters(), 3e-3)
    found = []
    for step in range(steps):
        clip, asks = with_questions(ClipTruth.of(batch_at(module.recipe, step)), 1, torch.Generator().manual_seed(step))
        frames = (clip.frame(i, ask=ask) for i, ask in enumerate(asks))
        total = torch.zeros(())
        for done in rollout(module.model, frames, chunk=len(clip), detach_every=len(clip)):
            total = total + frame_loss(done.reconstruction, clip, done.index, LossWeights()).total(LossWeights())
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        found.append(total.item() / len(clip))
    return found


def test_the_loss_falls_and_is_the_same_for_the_same_seed():
    runs = [losses(TrainingModule(CUT3R.random(MICRO), FullOverwrite(), recipe(8)), 8) for _ in range(2)]
    assert runs[0] == runs[1]
    assert sum(runs[0][-2:]) < 0.8 * sum(runs[0][:2])


def test_gradients_reach_every_parameter(truth):
    model = Reconstructor(CUT3R.random(MICRO).train(), FullOverwrite())
    clip, asks = with_questions(truth, 2, torch.Generator().manual_seed(0))
    frames = (clip.frame(i, ask=ask) for i, ask in enumerate(asks))
    steps = list(rollout(model, frames, detach_every=len(clip)))
    torch.stack(
        [frame_loss(s.reconstruction, clip, s.index, LossWeights()).total(LossWeights()) for s in steps]
    ).sum().backward()
    without = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert without == []


def test_a_stopped_training_goes_on_and_ends_as_one_in_a_single_go(tmp_path, monkeypatch):
    whole = train(MICRO, FullOverwrite(), recipe(6), tmp_path / "whole", Machine(workers=0, minutes=1e-4))
    expected = {name: value.clone() for name, value in whole.state_dict().items()}

    class Stop(Exception):
        pass

    step = TrainingModule.training_step

    def stop_at_four(self, batch, batch_idx):
        if self.global_step == 4:
            raise Stop
        step(self, batch, batch_idx)

    monkeypatch.setattr(TrainingModule, "training_step", stop_at_four)
    with pytest.raises(Stop):
        train(MICRO, FullOverwrite(), recipe(6), tmp_path / "cut", Machine(workers=0, minutes=1e-4))
    monkeypatch.setattr(TrainingModule, "training_step", step)
    resumed = train(MICRO, FullOverwrite(), recipe(6), tmp_path / "cut", Machine(workers=0, minutes=1e-4))
    for name, value in resumed.state_dict().items():
        torch.testing.assert_close(value, expected[name], msg=name)
    saved = load_network(tmp_path / "cut" / "network")
    assert saved.config == MICRO
    legs = sorted(path.name for path in (tmp_path / "cut" / "logs").iterdir())
    assert legs == ["version_0", "version_1"]


def test_a_training_can_start_from_a_trained_network(tmp_path):
    save_network(CUT3R.random(MICRO, seed=5), tmp_path / "start")
    still = recipe(1, learning_rate=1e-9, weight_decay=0.0)
    made = train(MICRO, FullOverwrite(), still, tmp_path / "out", Machine(workers=0), tmp_path / "start")
    for name, value in CUT3R.random(MICRO, seed=5).state_dict().items():
        torch.testing.assert_close(made.state_dict()[name], value, atol=1e-6, rtol=0, msg=name)
    with pytest.raises(ValueError, match="another start"):
        train(MICRO, FullOverwrite(), still, tmp_path / "out", Machine(workers=0))
    with pytest.raises(ValueError, match="other sizes"):
        train(replace(MICRO, slots=4), FullOverwrite(), still, tmp_path / "new", Machine(workers=0), tmp_path / "start")


def test_a_network_of_an_older_release_may_be_trained_on_whatever_its_unit(tmp_path):
    """Older files do not say the unit, and are read as metres; the clips are in units of the first view."""
    save_network(CUT3R.random(MICRO, seed=5), tmp_path / "old")
    old = json.loads((tmp_path / "old/config.json").read_text())
    del old["unit"]
    (tmp_path / "old/config.json").write_text(json.dumps(old))
    assert load_network(tmp_path / "old").config.unit is LengthUnit.METRES
    train(MICRO, FullOverwrite(), recipe(1), tmp_path / "out", Machine(workers=0), tmp_path / "old")
    assert load_network(tmp_path / "out/network").config == MICRO
    assert MICRO.unit is LengthUnit.FIRST_VIEW


def test_a_training_that_an_older_release_began_goes_on(tmp_path):
    train(MICRO, FullOverwrite(), recipe(1), tmp_path, Machine(workers=0))
    text = (tmp_path / "recipe.txt").read_text()
    older = re.sub(r',\n  "unit": "[^"]*"', "", text)
    assert older != text
    (tmp_path / "recipe.txt").write_text(older)
    train(MICRO, FullOverwrite(), recipe(1), tmp_path, Machine(workers=0))
    (tmp_path / "recipe.txt").write_text(older.replace('"slots": 2', '"slots": 3'))
    with pytest.raises(ValueError, match="another sizes"):
        train(MICRO, FullOverwrite(), recipe(1), tmp_path, Machine(workers=0))


def test_a_refinement_is_the_last_stage_at_lower_rates():
    whole = nano_recipe()
    part = refinement(whole)
    assert part.stages == whole.stages[-1:]
    assert part.learning_rate == pytest.approx(whole.learning_rate / 3)
    assert part.matrix_rate == pytest.approx(whole.matrix_rate / 3)
    assert refinement(replace(whole, matrix_rate=None)).matrix_rate is None


def test_clips_are_those_of_their_step_however_they_are_dealt():
    plan = Recipe(stages=(Stage(2, (2, 2), 0, 2, WORLD), Stage(2, (3, 3), 1, 1, WORLD)))
    assert plan.steps == 4
    clips = list(TrainingClips(plan, start=1))
    assert [clip.image.shape[:2] for clip in clips] == [(2, 2), (3, 1), (3, 1)]
    again = batch_at(plan, 2)
    assert all(
        torch.equal(a, b)
        for (_, a), (_, b) in zip(tree.named_tensors(clips[1]), tree.named_tensors(again), strict=True)
    )


def test_muon_steps_the_hidden_matrices_and_adamw_the_rest():
    network = CUT3R.random(MICRO)
    model = Reconstructor(network, FullOverwrite())
    optimizers, schedules = optimizers_of(model, recipe(10, matrix_rate=0.01))
    _, muon = optimizers
    assert isinstance(muon, torch.optim.Muon)
    stepped = [id(p) for optimizer in optimizers for group in optimizer.param_groups for p in group["params"]]
    assert len(stepped) == len(set(stepped))
    assert set(stepped) == {id(p) for p in model.parameters()}
    matrices = {id(p) for group in muon.param_groups for p in group["params"]}
    assert id(network.decoder.embed.weight) in matrices
    assert id(network.initial_state.registers.weight) not in matrices
    rates = []
    for _ in range(10):
        rates.append([optimizer.param_groups[0]["lr"] for optimizer in optimizers])
        for optimizer, falling in zip(optimizers, schedules, strict=True):
            optimizer.step()
            falling.step()
    assert rates[0] == pytest.approx([recipe(1).learning_rate / 2, 0.005])  # half-way up
    assert max(rate for rate, _ in rates) == recipe(1).learning_rate
    assert rates[-1][1] < 0.1 * 0.01
    assert len(optimizers_of(model, recipe(10))[0]) == 1


def test_training_with_muon_and_bfloat16_repeats_and_learns(tmp_path):
    plan = recipe(30, matrix_rate=0.01)
    networks = [
        train(MICRO, FullOverwrite(), plan, tmp_path / str(go), Machine(workers=0, precision="bf16-mixed"))
        for go in range(2)
    ]
    first, second = (dict(network.named_parameters()) for network in networks)
    assert all(torch.equal(first[name], second[name]) for name in first)
    with open(tmp_path / "0" / "logs" / "version_0" / "metrics.csv") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["step"]) for row in rows] == [
        9,
        19,
        29,
    ]  # one step of the run for each batch, not for each optimiser
    assert float(rows[-1]["points_camera"]) < 0.8 * float(rows[0]["points_camera"])


def test_some_shown_frames_come_with_their_cameras(truth):
    asks = [False, False, True, False, True] * 40
    known = known_cameras(asks, 0.5, torch.Generator().manual_seed(0))
    assert not any(given and ask for given, ask in zip(known, asks, strict=True))
    assert 40 < sum(known) < 80  # half of 120
    frame = truth.frame(1, ask=False, known=True)
    assert frame.image is not None
    assert torch.equal(frame.ray_map, truth.ray_map[1])


def test_questions_come_after_what_they_ask_for(truth):
    for seed in range(20):
        clip, asks = with_questions(truth, 3, torch.Generator().manual_seed(seed))
        assert asks.count(True) == 3
        assert not asks[0]
        shown = []
        for index, ask in enumerate(asks):
            same = [torch.equal(clip.ray_map[index], clip.ray_map[before]) for before in shown]
            assert any(same) if ask else not any(same)
            if not ask:
                shown.append(index)


def test_the_unit_is_that_of_the_first_frame(truth):
    assert torch.allclose(truth.points_camera[0].norm(dim=-1).mean(dim=(1, 2)), torch.ones(3), atol=1e-5)
    assert torch.allclose(truth.camera_to_world[0], torch.eye(4).expand(3, 4, 4), atol=1e-5)
    rays = truth.ray_map[2]
    distance = (truth.points_world[2] - rays[..., :3]).norm(dim=-1, keepdim=True)
    along = rays[..., :3] + distance * rays[..., 3:]
    assert torch.allclose(along, truth.points_world[2], atol=1e-4)


def test_losses_by_hand():
    points, truth = torch.zeros(1, 1, 1, 3), torch.tensor([3.0, 0.0, 4.0]).reshape(1, 1, 1, 3)
    confidence = torch.full((1, 1, 1), 2.0)
    expected = 2 * 5 / 6 - 0.2 * torch.log(torch.tensor(2.0))
    torch.testing.assert_close(confident_distance(points, confidence, truth, LossWeights()), expected)
    turned = torch.eye(4)
    turned[:3, :3] = torch.tensor([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    torch.testing.assert_close(rotation_degrees(turned, torch.eye(4)), torch.tensor(90.0))
    same, apart = torch.ones(1, 5, 8), torch.eye(8)[None, :5]
    assert float(between_token_share(same)) == 0
    assert float(effective_rank(apart)) == pytest.approx(4.0, abs=0.01)  # five tokens less their mean


def test_a_loss_without_all_outputs_is_refused(truth):
    with pytest.raises(ValueError, match=r"Outputs\.ALL"):
        frame_loss(Reconstruction(), truth, 0, LossWeights())
    assert Outputs.ALL


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Stage(0, (2, 3)), "at least 1"),
        (lambda: Stage(1, (0, 3)), "shortest"),
        (lambda: Stage(1, (4, 3)), "shortest"),
        (lambda: Recipe(stages=()), "at least one stage"),
        (lambda: recipe(1, learning_rate=-1.0), "learning_rate"),
        (lambda: recipe(1, learning_rate=float("nan")), "learning_rate"),
        (lambda: recipe(1, clip=float("nan")), "clip"),
        (lambda: recipe(1, matrix_rate=float("nan")), "matrix_rate"),
        (lambda: recipe(1, weight_decay=float("inf")), "weight_decay"),
        (lambda: recipe(1, betas=(1.0, 0.9)), "betas"),
        (lambda: recipe(1, seed=-1), "seed"),
        (lambda: recipe(1, detach_every=0), "detach_every"),
        (lambda: recipe(1).scaled(float("inf")), "finite factor"),
        (lambda: LossWeights(color=float("nan")), "finite and not negative"),
        (lambda: LossWeights(offset=float("inf")), "offset"),
        (lambda: WorldConfig(width=33), "multiple"),
    ],
)
def test_bad_settings_are_named_before_work_starts(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.skipif(os.name != "posix", reason="nothing is locked elsewhere")
def test_a_folder_holds_one_training_at_a_time(tmp_path):
    with locked(tmp_path, "training"), pytest.raises(ValueError, match="another training is at work"):
        train(MICRO, FullOverwrite(), recipe(1), tmp_path, Machine(workers=0))
    with locked(tmp_path, "training"):  # given back
        pass


def test_an_unwritable_folder_is_named_at_once(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        train(MICRO, FullOverwrite(), recipe(1), Path(tmp_path / "file" / "out"))


def test_sameness_is_zero_for_spread_tokens_and_its_gradient_parts_equal_ones():
    spread = torch.eye(8)[None, :6] - torch.eye(8)[None, :6].mean(dim=1, keepdim=True)
    assert sameness(spread).item() == pytest.approx(torch.tensor(6 / 5).log().item(), abs=1e-5)
    line = torch.linspace(-1, 1, 6)[None, :, None] * torch.ones(8)
    assert sameness(line).item() == pytest.approx(torch.tensor(6.0).log().item(), abs=1e-5)
    state = (line + 0.05 * torch.randn(1, 6, 8, generator=torch.Generator().manual_seed(0))).requires_grad_()
    sameness(state).backward()
    gradient = state.grad
    assert gradient is not None
    assert effective_rank(state - 0.5 * gradient / gradient.norm()) > effective_rank(state)


@pytest.mark.parametrize(
    ("warmup", "steps", "flat"), [(0, 6, 0.0), (1, 6, 0.0), (4, 10, 0.0), (0, 6, 0.5), (4, 10, 0.2)]
)
def test_rates_rise_in_a_line_stay_and_fall_along_a_cosine(warmup, steps, flat):
    weight = torch.nn.Parameter(torch.zeros(2, 2))
    optimizer = torch.optim.AdamW([weight], lr=0.5)
    rates = schedule(optimizer, Recipe((Stage(steps, (2, 2), 1),), warmup=warmup, flat=flat))
    seen = []
    for _ in range(steps):
        seen.append(optimizer.param_groups[0]["lr"] / 0.5)
        optimizer.step()
        rates.step()
    rise = [(step + 1) / warmup for step in range(warmup)]
    still = round(flat * steps)
    falling = steps - warmup - still
    fall = [0.01 + 0.495 * (1 + math.cos(math.pi * step / falling)) for step in range(falling)]
    assert seen == pytest.approx(rise + [1.0] * still + fall, abs=1e-9)


def test_the_precision_that_is_asked_for_is_taken(monkeypatch):
    assert [precision_for(one) for one in ("32-true", "bf16-mixed", "16-mixed")] == [
        "32-true",
        "bf16-mixed",
        "16-mixed",
    ]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    for fast, taken in ((True, "bf16-mixed"), (False, "32-true")):
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda fast=fast: fast)
        assert precision_for("auto") == taken
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert precision_for("auto") == "32-true"
