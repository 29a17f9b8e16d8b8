"""RayMap3R: recorded signals and runs of (a fork of) its source, its parts one by one, and where it differs on purpose."""

import math

import pytest
import recorded_rules
import torch

from ttt3r.geometry import ray_map_official, rigid
from ttt3r.types import AttentionLayer, Needs, Reconstruction
from ttt3r.update_rules import (
    Always,
    DirectionRays,
    Evidence,
    OfficialRays,
    PatchPooling,
    RayMap3R,
    Routed,
    StripPooling,
    check_rule,
)
from ttt3r.update_rules.rules.raymap3r import Watched, disagreement, smooth, start_path

FORCED = RayMap3R(regime=Always(), pooling=StripPooling())
ROUTED = RayMap3R(pooling=StripPooling())
RUNS = [
    ("raymap3r_auto", "long24", ROUTED, 3e-5),
    ("raymap3r_xattn", "plain16", FORCED, 3e-5),
    ("raymap3r_xattn", "dup8", FORCED, 5e-3),  # badly conditioned: float32 and float64 of the source differ by 1e-3
]


@pytest.mark.shared
@pytest.mark.parametrize(("source", "case", "rule", "tolerance"), RUNS)
def test_recorded_run_through_the_network(shared, source, case, rule, tolerance, record_property):
    recording = recorded_rules.load(source, case)
    steps, worst = recorded_rules.through_the_network(rule, recording)
    record_property("worst", worst)
    assert max(worst.values()) < tolerance
    carried = steps[-1].memory.rule
    assert isinstance(carried, Watched)
    torch.testing.assert_close(carried.trust[0, :, 0], recording["alpha_ema"][-1], rtol=0, atol=tolerance)


@pytest.mark.shared
def test_trust_from_recorded_signals(shared):
    recording = recorded_rules.load("raymap3r_xattn", "plain16")
    layers, heads, tokens, keys = recording["logits_full"].shape[1:]
    none = torch.zeros(1, keys - 1, 4)
    for index, view in enumerate((5, 6, 7)):
        main, again = (
            Reconstruction(
                points_camera=recording[f"z_{kind}"][index][None, ..., None].expand(-1, -1, -1, 3),
                confidence_camera=recording[f"conf_{kind}"][index][None],
            )
            for kind in ("main", "ray")
        )
        eye = torch.eye(keys).expand(1, heads, keys, keys)  # logits as queries, the unit matrix as keys
        attention = tuple(AttentionLayer(logits[None], eye) for logits in recording["logits_full"][index])
        evidence = Evidence(
            age=torch.tensor([view]),
            encoder_tokens=none,
            decoder_first=none,
            decoder_last=none,
            make_initial_state=lambda: none,
            state_layers=attention,
            make_reconstruction=lambda outputs, shown=main: shown,
            make_reread=lambda frame, outputs, shown=again: shown,
        )
        assert len(attention) == layers
        alpha = FORCED._alpha(evidence, start_path(torch.zeros(1, tokens, 1), FORCED.regime))
        torch.testing.assert_close(alpha[0, :, 0], recording["alpha"][view], rtol=0, atol=3e-5)


@pytest.mark.shared
@pytest.mark.parametrize("case", ["plain16", "dup8", "skip8", "reset16"])
def test_gate_from_recorded_trust(shared, case):
    recording = recorded_rules.load("raymap3r_xattn", case)
    for view in recording.views:
        if recording["gate_applied"][view]:
            gate = FORCED._gate(recording["alpha_ema"][view][None, :, None])[0, :, 0]
            torch.testing.assert_close(recording["base"][view] * gate, recording["gain"][view], rtol=0, atol=1e-6)


@pytest.mark.shared
def test_the_view_that_is_asked_for_lies_on_the_recorded_smoothed_path(shared):
    recording = recorded_rules.load("raymap3r_xattn", "plain16")
    path = start_path(torch.zeros(1, 1, 1), FORCED.regime)
    for view in recording.views:
        before = recording["state_after"][view - 1] if view else recording["state_init"]
        step = (recording["candidate"][view] - before).norm(dim=-1).mean()
        camera = rigid(torch.eye(3)[None], recording["camera_pose_raw"][view][None, :3])
        path = smooth(path, camera, torch.tensor([view > 0]), 2 * step[None])
        torch.testing.assert_close(path.smoothed[0, :3, 3], recording["camera_pose"][view][:3], rtol=0, atol=5e-6)


@pytest.mark.shared
def test_frames_without_a_trace_and_restarts_unlike_in_the_source(shared):
    """Theirs counts unwritten views, and after a restart it goes on with the gate; ours begins anew."""
    for case, differs in (("skip8", 6), ("reset16", 7)):
        recording = recorded_rules.load("raymap3r_xattn", case)
        steps, _ = recorded_rules.through_the_network(FORCED, recording)
        assert max(recorded_rules.differences(steps, recording, differs).values()) < 1e-4
        assert recorded_rules.differences(steps, recording, differs + 1)["gain"] > 1e-2
    first = 8  # of reset16: after the restart; gated in theirs, taken whole in ours
    assert float(recording["gain"][first].max()) < 1
    assert bool((steps[first].gain == 1).all())


def test_square_patches_and_strips():
    values = torch.arange(32.0).reshape(1, 4, 8)
    corners = [(y, x) for y in (0, 2) for x in (0, 2, 4, 6)]
    assert PatchPooling().pool(values, 8)[0].tolist() == [values[0, y : y + 2, x : x + 2].mean() for y, x in corners]
    assert StripPooling().pool(values, 8)[0].tolist() == [1.5 + 4 * strip for strip in range(8)]
    for patches in (5, 3):
        with pytest.raises(ValueError, match="square patches"):
            PatchPooling().pool(values, patches)


def seen(depth, confidence=None):
    """A view with this depth."""
    points = depth[..., None].expand(*depth.shape, 3)
    return Reconstruction(
        points_camera=points, confidence_camera=torch.ones_like(depth) if confidence is None else confidence
    )


def test_disagreement_is_relative_and_looks_at_the_confident_pixels():
    depth, confidence = torch.full((1, 4, 8), 2.0), torch.ones(1, 4, 8)
    other, confidence[:, :2, :2] = depth.clone(), 3.0
    confidence[:, 2:, 6:] = 3.0
    other[:, :2, :2] = 3.0
    found = disagreement(seen(depth, confidence), seen(other, confidence), PatchPooling(), 8)
    torch.testing.assert_close(found, torch.tensor([[0.5, 0, 0, 0, 0, 0, 0, 0]]))
    assert not bool(
        disagreement(seen(depth), seen(other), PatchPooling(), 8).any()
    )  # nothing is more confident: no say
    with pytest.raises(ValueError, match="no camera-frame points"):
        disagreement(Reconstruction(), Reconstruction(), PatchPooling(), 8)


def test_both_ray_forms_ask_for_the_same_rays():
    camera = rigid(torch.linalg.qr(torch.randn(2, 3, 3)).Q, torch.zeros(2, 3))
    torch.testing.assert_close(OfficialRays().rays(camera, (6, 8)), DirectionRays().rays(camera, (6, 8)))
    focal = torch.tensor([[10.0, 0, 3.5], [0, 10.0, 2.5], [0, 0, 1]]).expand(2, 3, 3)
    moved = rigid(camera[:, :3, :3], torch.randn(2, 3))
    torch.testing.assert_close(OfficialRays().rays(moved, (6, 8)), ray_map_official(moved, focal, (6, 8)))


def test_the_router_waits_and_then_decides_by_the_median_turn():
    regime = Routed(degrees=2.0, first=5, last=20)
    ages = torch.arange(25)
    assert regime.decided(ages).tolist() == [age >= 20 for age in range(25)]
    assert [int(slot) for slot in regime.slot(ages)][5:21] == [-1, *range(1, 16)]
    turns = torch.full((3, regime.slots), math.radians(3.0))
    turns[1] = math.radians(1.0)
    turns[2, :9] = 0
    gated = regime.gated(torch.tensor([20, 20, 20]), turns)
    assert gated.tolist() == [False, True, True]
    assert regime.gated(torch.tensor([19, 19, 19]), turns).tolist() == [False] * 3
    with pytest.raises(ValueError, match="between 0 and last"):
        Routed(first=5, last=5)


@pytest.mark.parametrize("regime", [Always(True), Routed(first=0, last=2)])
def test_the_laws_hold_where_the_gate_is_open(regime):
    check_rule(RayMap3R(regime=regime, warmup=1))


def test_no_smoothing_asks_from_the_predicted_camera():
    path, moving = start_path(torch.zeros(1, 1, 1), Always()), torch.ones(1, dtype=torch.bool)
    for _ in range(4):
        camera = rigid(torch.eye(3)[None], torch.randn(1, 3))
        path = smooth(path, camera, moving, torch.zeros(1))
        torch.testing.assert_close(path.smoothed, camera)
    assert RayMap3R.needs == Needs.STATE_ATTENTION | Needs.READOUT | Needs.REREAD
