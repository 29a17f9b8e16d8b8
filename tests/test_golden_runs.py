"""The network with its rules against recorded runs of the reference implementation, field by field."""

import golden
import pytest
import torch

from ttt3r.geometry import pose_encoding_to_camera
from ttt3r.reconstructor import Reconstructor
from ttt3r.rollout import rollout
from ttt3r.types import Frame, Outputs
from ttt3r.update_rules import RULES

pytestmark = pytest.mark.shared


@pytest.mark.parametrize(("model", "name"), golden.cases(), ids=lambda part: part)
def test_recorded_run(model, name, record_property):
    case = golden.case(model, name)
    network = golden.network(model)
    steps = list(rollout(Reconstructor(network, RULES[case.rule]()), case.frames))
    worst = {field: golden.error(ours, recorded) for field, ours, recorded in compared_fields(case, steps, network)}
    record_property("worst", worst)
    assert {field: value for field, value in worst.items() if not value < case.tolerance} == {}


def compared_fields(case, steps, network):
    """(field, ours, recorded) of everything that was recorded for the run."""
    recorded = case.recorded
    images = [step.reconstruction for step in steps]
    ours = {
        "pts3d_in_self_view": torch.cat([r.points_camera for r in images]),
        "conf_self": torch.cat([r.confidence_camera for r in images]),
        "pts3d_in_other_view": torch.cat([r.points_world for r in images]),
        "conf": torch.cat([r.confidence_world for r in images]),
        "rgb": torch.cat([r.color for r in images]),
    }
    for field, value in ours.items():
        yield field + "_sub", value[:, ::3, ::5], recorded[field + "_sub"]
        if case.dense:
            yield field, value[case.dense], recorded[field]
    yield (
        "camera",
        torch.cat([r.camera_to_world for r in images]),
        pose_encoding_to_camera(recorded["camera_pose"]),
    )
    initial = network.initial_memory(1)
    yield "state_init", initial.state[0], recorded["state_init"]
    yield "mem_init", initial.pose[0], recorded["mem_init"]
    # Recorded after the view's own reset; ours restarts before the next frame.
    kept = [i for i, reset in enumerate(case.reset) if not reset]
    yield "state", torch.cat([steps[i].memory.state for i in kept]), recorded["state_after"][kept]
    yield "pose memory", torch.cat([steps[i].memory.pose for i in kept]), recorded["mem_after"][kept]
    for i in set(range(len(steps))) - set(kept):
        yield f"state after reset {i}", initial.state[0], recorded["state_after"][i]
    yield "gain", torch.cat([step.gain[..., 0] for step in steps]), recorded["gate_effective"]


def test_ray_map_query_of_a_recorded_memory(shared):
    from safetensors.torch import load_file

    recorded = load_file(shared / "golden/tiny/rayquery.safetensors")
    case, network = golden.case("tiny", "land_ttt3r__rope32"), golden.network("tiny")
    model = Reconstructor(network, RULES["ttt3r"]())
    for step in rollout(model, case.frames, outputs=Outputs.NOTHING):
        if step.index not in (7, 11):
            continue
        tag = f"after{step.index + 1}"
        before = step.memory.state.clone()
        with torch.no_grad():
            view = model.query(step.memory, recorded[f"{tag}.ray_map"][None])
        assert torch.equal(step.memory.state, before)
        assert view.points_world is not None
        assert golden.error(view.points_world[0], recorded[f"{tag}.pts3d_in_other_view"]) < 3e-5
        assert golden.error(view.points_camera[0], recorded[f"{tag}.pts3d_in_self_view"]) < 3e-5
        assert golden.error(view.confidence_world[0], recorded[f"{tag}.conf"]) < 3e-5
        assert golden.error(view.color[0], recorded[f"{tag}.rgb"]) < 3e-5
        camera = pose_encoding_to_camera(recorded[f"{tag}.camera_pose"])
        assert golden.error(view.camera_to_world[0], camera) < 3e-5


def test_resets_are_fed_again_and_chained_as_recorded(shared):
    from safetensors.torch import load_file

    recorded = load_file(shared / "golden/tiny/pipeline_reset_ttt3r.safetensors")
    case, network = golden.case("tiny", "reset_ttt3r"), golden.network("tiny")
    views = [frame for i, frame in enumerate(case.frames) if i not in (6, 13)]  # the reference's overlap copies
    images = [Frame(frame.image) for frame in views]
    model = Reconstructor(network, RULES["ttt3r"]())
    steps = list(rollout(model, images, reset_every=6))
    cameras = torch.cat([camera for step in steps if (camera := step.reconstruction.camera_to_world) is not None])
    assert golden.error(cameras, recorded["c2w"]) < 2e-3
    # After the boundary frame, the memory has absorbed that frame as the first of the next chunk.
    assert golden.error(steps[5].memory.state[0], case.recorded["state_after"][6]) < 2e-3
    assert golden.error(steps[11].memory.state[0], case.recorded["state_after"][13]) < 2e-3
    assert [int(step.memory.seen) for step in steps] == list(range(1, 13))
