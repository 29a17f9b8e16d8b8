"""Real ground truth and real SLAM output against the reference numbers that are recorded beside the files."""

import re

import numpy as np
import pytest

from ttt3r.evaluation.metrics.trajectory.errors import (
    ErrorStatistics,
    absolute_errors,
    associate,
    last_window_error,
    path_length,
)
from ttt3r.evaluation.metrics.trajectory.relative import frame_pairs, path_pairs, relative_errors, segment_errors
from ttt3r.evaluation.metrics.trajectory.similarity import NoAlignment, SE3Alignment, Sim3Alignment
from ttt3r.export.trajectory import read_trajectory

pytestmark = pytest.mark.shared
ALIGNMENTS = {"-a": SE3Alignment(), "-as": Sim3Alignment()}


def _read(path):
    """Times and `camera_to_world` of a TUM, KITTI or EuRoC file."""
    if path.suffix == ".csv":
        rows = np.loadtxt(path, delimiter=",", comments="#")[:, :8]
        return rows[:, 0] / 1e9, _cameras(rows[:, 1:4], rows[:, 4:8])
    if path.name.startswith("KITTI"):
        cameras = np.tile(np.eye(4), (len(rows := np.loadtxt(path)), 1, 1))
        cameras[:, :3] = rows.reshape(-1, 3, 4)
        return np.arange(float(len(cameras))), cameras
    return read_trajectory(path)


def _cameras(position, quaternion):
    """Matrices of positions and quaternions (w, x, y, z)."""
    import torch

    from ttt3r.geometry import pose_encoding_to_camera

    return pose_encoding_to_camera(torch.from_numpy(np.concatenate([position, quaternion], axis=1))).numpy()


def _cases(shared):
    """(command, words, numbers by name) of each recorded call."""
    text = (shared / "data/trajectories/EXPECTED_METRICS.md").read_text()
    for command, answer in re.findall(r"^\$ (.*)\n(.*)$", text, flags=re.MULTILINE):
        numbers = {
            name: float(value) for name, value in re.findall(r"(max|mean|median|min|rmse|sse|std) ([\d.]+)", answer)
        }
        count = int(re.search(r"Compared (\d+)", answer)[1])
        scale = re.search(r"Scale correction: ([\d.]+\d)", answer)
        yield command.split(), numbers, count, float(scale[1]) if scale else None


def _pair(shared, words):
    (true_times, truth), (times, predicted) = (_read(shared / "data/trajectories" / name) for name in words[2:4])
    ours, theirs = associate(times, true_times)
    return predicted[ours], truth[theirs]


def _errors(words, predicted, truth):
    """Errors of one recorded call, and the scale of its alignment."""
    alignment = next((ALIGNMENTS[word] for word in words if word in ALIGNMENTS), NoAlignment())
    motion = alignment.fit(predicted, truth)
    if words[0] == "evo_ape":
        return absolute_errors(predicted, truth, motion), motion.scale
    delta = float(words[words.index("--delta") + 1])
    in_metres = words[words.index("--delta_unit") + 1] == "m"
    # The recorded stretches of a hundred metres were measured along the estimate.
    pairs = path_pairs(predicted, delta) if in_metres else frame_pairs(np.arange(len(truth)), int(delta))
    errors = relative_errors(predicted, truth, pairs, motion.scale)
    return (errors.rotation_degrees if "angle_deg" in words else errors.translation), motion.scale


def test_recorded_reference_numbers(shared):
    checked = 0
    for words, expected, count, scale in _cases(shared):
        errors, found_scale = _errors(words, *_pair(shared, words))
        found = ErrorStatistics.of(errors)
        message = " ".join(words)
        assert len(errors) == count, message
        names = {"max": found.maximum, "min": found.minimum, "rmse": found.rmse, "sse": found.sse, "std": found.std}
        for name, value in {**names, "mean": found.mean, "median": found.median}.items():
            np.testing.assert_allclose(value, expected[name], rtol=0, atol=5.1e-7, err_msg=f"{message}: {name}")
        if scale is not None:
            np.testing.assert_allclose(found_scale, scale, rtol=1e-9, err_msg=message)
        checked += 1
    assert checked == 12


def test_segments_of_real_odometry(shared):
    _, truth = _read(shared / "data/trajectories/KITTI_00_gt.txt")
    found = {}
    for name in ("ORB", "SPTAM"):
        _, predicted = _read(shared / f"data/trajectories/KITTI_00_{name}.txt")
        found[name] = segment_errors(predicted, truth)
        assert found[name].segments == _naive_segments(predicted, truth, found[name])
    assert path_length(truth) == pytest.approx(3724, abs=1)
    assert 0.5 < found["ORB"].translation_percent < 0.9  # published with 0.70 on this sequence
    assert found["ORB"].translation_percent < found["SPTAM"].translation_percent < 2
    assert last_window_error(predicted, truth) > 1.5 * ErrorStatistics.of(_ate(predicted, truth)).rmse


def _ate(predicted, truth):
    return absolute_errors(predicted, truth, Sim3Alignment().fit(predicted, truth))


def _naive_segments(predicted, truth, expected):
    """The same means by plain loops over the definition; returns the number of segments."""
    travelled = [np.float64(0)]
    for a, b in zip(truth, truth[1:], strict=False):
        travelled.append(travelled[-1] + np.linalg.norm(b[:3, 3] - a[:3, 3]))
    shares, angles = [], []
    for first in range(0, len(truth), 10):
        for length in range(100, 801, 100):
            last = next((k for k in range(first, len(truth)) if travelled[k] > travelled[first] + length), None)
            if last is not None:
                wanted = np.linalg.inv(truth[first]) @ truth[last]
                error = np.linalg.inv(np.linalg.inv(predicted[first]) @ predicted[last]) @ wanted
                shares.append(np.linalg.norm(error[:3, 3]) / length)
                angles.append(np.degrees(np.arccos(np.clip((np.trace(error[:3, :3]) - 1) / 2, -1, 1))) / length)
    # The files give rotations to seven digits, so a transpose is an inverse only so far.
    np.testing.assert_allclose(expected.translation_percent, 100 * np.mean(shares), rtol=1e-4)
    np.testing.assert_allclose(expected.rotation_degrees_per_metre, np.mean(angles), rtol=1e-3)
    return len(shares)
