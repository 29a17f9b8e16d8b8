"""The TUM layout: association against recorded results, real sequences, malformed files."""

import json

import numpy as np
import pytest
from PIL import Image

from ttt3r.data import CropToPatches, Sampling, StretchToPatches, open_clip, open_source
from ttt3r.data.readers.tum import camera_to_world, match_times, read_known_poses, read_list
from ttt3r.data.sequences.clip import DepthFiles

POLICY = CropToPatches(64)


@pytest.mark.shared
def test_association_equals_the_recorded_one(shared):
    folder = shared / "golden_eval" / "sampling"
    times, files = read_list(folder / "tum_rgb.txt")
    pose_times, poses = read_known_poses(folder / "tum_groundtruth.txt")
    pairs = match_times(times, pose_times)
    for cap, expected in json.loads((folder / "expected.json").read_text())["tum"].items():
        taken = pairs[: int(cap)]
        assert [files[i].name for i, _ in taken] == expected["rgb_files"]
        rows = np.array([line.split() for line in expected["groundtruth_lines"]], dtype=np.float64)
        np.testing.assert_array_equal(pose_times[taken[:, 1]], rows[:, 0])
        np.testing.assert_array_equal(poses[taken[:, 1], :3, 3], rows[:, 1:4])


def naive(first, second, gap):
    every = sorted(
        (abs(a - b), a, b, i, j) for i, a in enumerate(first) for j, b in enumerate(second) if abs(a - b) < gap
    )
    used, pairs = set(), []
    for *_, i, j in every:
        if (0, i) not in used and (1, j) not in used:
            used |= {(0, i), (1, j)}
            pairs.append((i, j))
    return sorted(pairs, key=lambda pair: first[pair[0]])


@pytest.mark.parametrize("seed", range(8))
def test_association_equals_the_naive_one(seed):
    random = np.random.default_rng(seed)
    first, second = random.uniform(0, 2, 60), random.uniform(0, 2, 90)
    pairs = match_times(first, second)
    assert pairs.tolist() == [list(pair) for pair in naive(first, second, 0.02)]
    assert len(set(pairs[:, 0])) == len(set(pairs[:, 1])) == len(pairs)


def test_association_with_nothing():
    assert match_times(np.zeros(0), np.arange(3.0)).shape == (0, 2)
    assert match_times(np.arange(3.0), np.zeros(0)).shape == (0, 2)
    assert match_times(np.array([0.0]), np.array([0.02])).shape == (0, 2)  # the limit itself is too far


def test_quaternions_become_the_rotations_of_scipy():
    Rotation = pytest.importorskip("scipy.spatial.transform").Rotation
    rows = np.random.default_rng(0).normal(size=(20, 7))
    matrices = camera_to_world(rows)
    np.testing.assert_allclose(matrices[:, :3, :3], Rotation.from_quat(rows[:, 3:]).as_matrix(), atol=1e-12)
    np.testing.assert_array_equal(matrices[:, :3, 3], rows[:, :3])
    np.testing.assert_array_equal(matrices[:, 3], np.tile([0, 0, 0, 1], (20, 1)))
    assert np.isnan(camera_to_world(np.zeros((1, 7)))[0, :3, :3]).all()  # no rotation: a lost pose


@pytest.fixture
def sequence(tmp_path):
    """Five images at 1 s steps; the third has no pose; depth for the first two and the last, by its own clock."""
    folder = tmp_path / "rgbd_dataset_freiburg2_test"
    for name in ("rgb", "depth"):
        (folder / name).mkdir(parents=True)
    rgb, depth, poses = ["# comment"], [], ["# timestamp tx ty tz qx qy qz qw"]
    for i in range(5):
        Image.new("RGB", (64, 48), (10 * i, 0, 0)).save(folder / "rgb" / f"{i}.png")
        rgb.append(f"{i}.000 rgb/{i}.png")
        if i != 2:
            poses.append(f"{i + 0.013:.3f} {i} 0 0 0 0 0 1")
        if i in (0, 1, 4):
            Image.fromarray(np.full((30, 40), 5000 * i, np.uint16)).save(folder / "depth" / f"{i}.png")
            depth.append(f"{i - 0.01:.3f} depth/{i}.png")
    (folder / "rgb.txt").write_text("\n".join(rgb) + "\n")
    (folder / "depth.txt").write_text("\n".join(depth) + "\n\n")
    (folder / "groundtruth.txt").write_text("\n".join(poses))
    return folder


def test_frames_without_pose_are_left_out_and_rows_belong_together(sequence):
    clip = open_clip(sequence, policy=POLICY)
    assert clip.name == sequence.name
    assert [frame.name for frame in clip.source] == ["0.png", "1.png", "3.png", "4.png"]
    assert [frame.index for frame in clip.source] == [0, 1, 2, 3]
    assert [frame.timestamp for frame in clip.source] == clip.timestamps.tolist() == [0, 1, 3, 4]
    assert clip.camera_to_world is not None
    assert clip.camera_to_world[:, 0, 3].tolist() == [0, 1, 3, 4]
    first, last = clip.depth(1), clip.depth(3)
    assert first is not None
    assert last is not None
    assert first.shape == (30, 40)
    assert np.unique(first).tolist() == [1]
    assert np.unique(last).tolist() == [4]
    assert clip.depth(2) is None
    np.testing.assert_array_equal(clip.intrinsics, [[520.9, 0, 325.1], [0, 521.0, 249.7], [0, 0, 1]])


def test_sampling_counts_frames_with_a_pose(sequence):
    clip = open_clip(sequence, policy=POLICY, sampling=Sampling(stride=2, start=1))
    assert [(frame.index, frame.name) for frame in clip.source] == [(0, "1.png"), (1, "4.png")]
    assert clip.camera_to_world is not None
    assert clip.camera_to_world[:, 0, 3].tolist() == [1, 4]
    assert clip.depth(1) is not None
    with pytest.raises(ValueError, match="none of the 4 frames"):
        open_clip(sequence, policy=POLICY, sampling=Sampling(start=4))


def test_a_skipped_frame_keeps_the_rows_in_step(sequence):
    (sequence / "rgb" / "1.png").write_bytes(b"broken")
    clip = open_clip(sequence, policy=POLICY, skip_broken=True)
    assert [(frame.index, frame.name) for frame in clip.source] == [(0, "0.png"), (2, "3.png"), (3, "4.png")]
    assert [name for name, _ in clip.source.skipped] == ["1.png"]


def test_depth_is_optional(sequence):
    (sequence / "depth.txt").unlink()
    clip = open_clip(sequence, policy=POLICY)
    assert clip.depth_files is None
    assert clip.depth(0) is None


def test_malformed_sequences_are_refused_when_opening(sequence):
    def refused(kind, match):
        with pytest.raises(kind, match=match):
            open_clip(sequence, policy=POLICY)

    good = (sequence / "groundtruth.txt").read_text()
    (sequence / "groundtruth.txt").write_text(good.replace(" 1\n", "\n", 1))
    refused(ValueError, r"groundtruth\.txt must hold rows of numbers")
    (sequence / "groundtruth.txt").write_bytes(bytes(range(128, 256)))
    refused(ValueError, r"groundtruth\.txt must hold rows of numbers")
    (sequence / "groundtruth.txt").write_text("0 1 2 3\n")
    refused(ValueError, "timestamp tx ty tz qx qy qz qw; got 4")
    (sequence / "groundtruth.txt").write_text("# only comments\n")
    refused(ValueError, "holds no numbers")
    (sequence / "groundtruth.txt").write_text("99 0 0 0 0 0 0 1\n")
    refused(ValueError, "none of the 5 images .* has a pose within 0.02 s")
    (sequence / "groundtruth.txt").write_text(good)
    (sequence / "rgb" / "3.png").unlink()
    refused(FileNotFoundError, r"3\.png")
    listed = (sequence / "rgb.txt").read_text()
    (sequence / "rgb.txt").write_text("0.0 rgb/0.png extra\n")
    refused(ValueError, r"rgb\.txt must have rows of two entries")
    (sequence / "rgb.txt").write_text(listed.replace("3.000 rgb/3.png\n", ""))
    (sequence / "groundtruth.txt").unlink()
    refused(FileNotFoundError, "no groundtruth.txt; run it as a folder of images")


def test_poses_that_are_not_finite_count_as_missing(sequence):
    path = sequence / "groundtruth.txt"
    path.write_text(path.read_text().replace("3.013 3", "3.013 nan"))
    assert len(open_clip(sequence, policy=POLICY).source) == 3


def test_depth_of_another_kind_is_refused(sequence):
    Image.new("RGB", (4, 4)).save(sequence / "depth" / "1.png")
    (sequence / "depth" / "0.png").write_bytes(b"broken")
    clip = open_clip(sequence, policy=POLICY)
    with pytest.raises(ValueError, match="16-bit grey"):
        clip.depth(1)
    with pytest.raises(ValueError, match=r"cannot read depth .*0\.png"):
        clip.depth(0)


@pytest.mark.shared
def test_the_real_cabinet(shared):
    folder = shared / "data" / "tum" / "rgbd_dataset_freiburg3_cabinet"
    clip = open_clip(folder, policy=StretchToPatches(512))
    assert len(clip.source) == 58
    frame = next(iter(clip.source))
    assert frame.image.shape == (1, 3, 384, 512)
    assert clip.camera_to_world is not None
    np.testing.assert_allclose(clip.camera_to_world[0, :3, 3], [-2.5508, 0.9872, 1.1019])
    depth = clip.depth(0)
    assert depth is not None
    assert depth.shape == (480, 640)
    assert 0.5 < np.median(depth[depth > 0]) < 4


@pytest.mark.shared
def test_the_real_desk_with_unequal_numbers_of_images_and_depths(shared):
    folder = shared / "data" / "tum" / "rgbd_dataset_freiburg1_xyz"
    clip = open_clip(folder, policy=POLICY)
    assert clip.source.length == 4
    assert isinstance(clip.depth_files, DepthFiles)
    linked = dict(line.split()[1::2] for line in (folder / "associations_full_sequence.txt").read_text().splitlines())
    for frame, depth in zip(clip.source, clip.depth_files.paths, strict=True):
        if depth is not None:
            assert linked[f"rgb/{frame.name}"] == f"depth/{depth.name}"
    assert sum(depth is not None for depth in clip.depth_files.paths) == 3


def test_a_run_takes_all_images_with_their_times_and_needs_no_ground_truth(sequence):
    (sequence / "groundtruth.txt").unlink()
    frames = list(open_source(sequence, policy=POLICY))
    assert [(frame.name, frame.timestamp) for frame in frames] == [(f"{i}.png", float(i)) for i in range(5)]
