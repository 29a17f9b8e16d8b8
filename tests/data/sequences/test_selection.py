"""Frame selections against what the published preparation scripts and loaders gave, and against plain counting."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from layouts_on_disk import LAYOUTS, cameras, intrinsics
from PIL import Image

from ttt3r.data import DATASETS, SELECTIONS, CropToPatches, FrameSelection, Problem, places_of
from ttt3r.data.readers.tum import read_list
from ttt3r.data.sequences.depth import DepthFiles
from ttt3r.data.sequences.pairing import ByNumber, ByRank, ByTime
from ttt3r.data.sequences.poses import read_known_poses
from ttt3r.data.sequences.recording import Files, Poses, Recording

POLICY = CropToPatches(64)


def recording(images, depths=(), poses=(), pairing=ByNumber()):
    """Files called by numbers; the pose of number n has its x translation there."""

    def files(numbers, suffix):
        return Files(tuple(Path(f"{n:010d}{suffix}") for n in numbers), np.array(numbers, dtype=np.float64))

    matrices = np.tile(np.eye(4), (len(poses), 1, 1))
    matrices[:, 0, 3] = poses
    return Recording(
        "scene",
        "scene",
        files(images, ".jpg"),
        lambda paths: DepthFiles(paths, 1000.0),
        Poses(matrices, np.array(poses, dtype=np.float64)),
        files(depths, ".png"),
        pairing,
    )


def numbers(records):
    return [int(record.image.stem) for record in records]


@pytest.fixture(scope="module")
def sampling(shared):
    return json.loads((shared / "golden_eval/sampling/expected.json").read_text())


@pytest.mark.shared
def test_tum_takes_what_the_published_script_took(shared, sampling):
    folder = shared / "golden_eval/sampling"
    times, files = read_list(folder / "tum_rgb.txt")
    pose_times, poses = read_known_poses(folder / "tum_groundtruth.txt")
    whole = replace(recording([]), images=Files(tuple(files), times), poses=Poses(poses, pose_times), pairing=ByTime())
    for cap, expected in sampling["tum"].items():
        records, findings = SELECTIONS[f"tum/{cap}"].of(whole)
        assert [record.image.name for record in records] == expected["rgb_files"]
        assert [record.timestamp for record in records] == [float(name[:-4]) for name in expected["rgb_files"]]
        rows = np.array([line.split()[1:4] for line in expected["groundtruth_lines"]], dtype=np.float64)
        np.testing.assert_array_equal([record.camera_to_world[:3, 3] for record in records], rows)
        assert [finding.what for finding in findings] == [Problem.TOO_SHORT] * (len(records) < int(cap))
    third, _ = SELECTIONS["tum/stride3-90"].of(whole)
    assert [record.image.name for record in third] == sampling["tum"]["1000"]["rgb_files"][::3]


@pytest.mark.shared
def test_scannet_takes_what_the_published_script_took(sampling):
    for scene, total in sampling["scannet_total_frames"].items():
        whole = recording(range(total), range(total), range(total))
        for cap, expected in sampling["scannet"][scene].items():
            records, _ = SELECTIONS[f"scannet/stride3-{cap}"].of(whole)
            assert numbers(records) == expected["raw_indices"]
            assert [record.camera_to_world[0, 3] for record in records] == expected["pose_tx"]


@pytest.mark.shared
def test_bonn_takes_what_the_published_script_took(sampling):
    there = sampling["bonn"]["available"]
    whole = recording(range(there["rgb"]), range(there["depth"]))
    for cap, expected in sampling["bonn"]["result"].items():
        records, _ = SELECTIONS[f"bonn/{cap}"].of(whole)
        assert numbers(records) == expected["rgb"]
        assert [int(record.depth.stem) for record in records] == expected["depth"]


@pytest.mark.shared
def test_kitti_takes_what_the_published_script_took(sampling):
    ranges = [re.findall(r"\d+", sampling["kitti"]["available"][kind]) for kind in ("image_frames", "depth_frames")]
    images, depths = (range(int(first), int(last) + 1) for first, last in ranges)
    for cap, expected in sampling["kitti"]["result"].items():
        records, _ = SELECTIONS[f"kitti-depth/{cap}"].of(recording(images, depths))
        assert [f"{n:010d}.png" for n in numbers(records)] == expected["image"]
        assert [record.depth.name for record in records] == expected["depth"]
    assert sampling["kitti"]["folder"] in SELECTIONS["kitti-depth/500"].sequences


def formula(k):
    """The procedural images of the recorded cases."""
    y, x, c = np.ogrid[:480, :640, :3]
    return ((3 * x + 5 * y + 40 * c + 11 * k + (x * y) // 64) % 256).astype(np.uint8)


def procedural_depth(i):
    y, x = np.mgrid[:480, :640]
    depth = 800 + (7 * x + 13 * y + 31 * i) % 2000
    depth[x < 20] = 65535
    depth[y < 10] = 12000
    depth[(x + y) % 97 == 0] = 0
    return depth.astype(np.uint16)


@pytest.mark.shared
def test_seven_scenes_gives_what_the_published_loader_gave(shared, tmp_path):
    golden = shared / "golden_eval/recon"
    expected = json.loads((golden / "seven_scenes_dataset_expected.json").read_text())
    poses = np.load(golden / "seven_scenes_poses.npz")["cam2world"]
    folder = tmp_path / "chess/seq-03"
    folder.mkdir(parents=True)
    for i, pose in enumerate(poses):
        stem = folder / f"frame-{i:06d}"
        Image.fromarray(formula(i)).save(f"{stem}.color.png")
        Image.fromarray(procedural_depth(i)).save(f"{stem}.depth.proj.png")
        np.savetxt(f"{stem}.pose.txt", pose)
    dataset, selection = DATASETS["7scenes"], SELECTIONS["7scenes/stride2-50"]
    places, missing = places_of(selection, tmp_path)
    assert [place.name for place in places] == expected["scene_list"]
    assert len(missing) == 17
    for key, cut in (("labels_kf2_max4", selection.capped(4)), ("labels_kf200", SELECTIONS["7scenes/stride200"])):
        clip = dataset.open(tmp_path, "chess/seq-03", CropToPatches(512), cut)
        assert [f"chess/seq-03/{frame.name[6:12]}" for frame in clip.source] == expected[key]
    clip = dataset.open(tmp_path, "chess/seq-03", CropToPatches(512), selection.capped(4))
    K = clip.policy.intrinsics(intrinsics(clip), (640, 480))
    rows, columns = np.ix_(expected["rows"], expected["cols"])
    for i, (frame, view) in enumerate(zip(clip.source, expected["views"], strict=True)):
        assert list(frame.image.shape[1:]) == view["img_shape"]
        assert float(frame.image.double().mean()) == pytest.approx(view["img_mean"], abs=1e-6)
        np.testing.assert_allclose(K, view["K"], atol=1e-6)
        depth = clip.prepared_depth(i)
        assert depth is not None
        depth = np.where((depth > 10) | (depth < 1e-3), 0, depth)  # the loader's cut, which is the protocol's to make
        assert (depth > 0).sum() == view["n_valid"]
        np.testing.assert_allclose(depth[rows, columns], view["depth_samples"], atol=1e-6)
        assert depth.mean() == pytest.approx(view["depth_mean"], rel=1e-6)
        rays = np.stack([columns + 0 * rows, rows + 0 * columns, 1 + 0 * rows + 0 * columns], -1) @ np.linalg.inv(K).T
        camera = clip.camera_to_world[i]
        points = depth[rows, columns][..., None] * rays @ camera[:3, :3].T + camera[:3, 3]
        np.testing.assert_allclose(points, view["pts3d_samples"], atol=2e-6)


@pytest.mark.parametrize(("total", "count"), [(0, 0), (2, 0), (3, 1), (5, 1), (400, 133), (5000, 1000)])
def test_only_whole_strides_count_for_scannet(total, count):
    taken = SELECTIONS["scannet/stride3-1000"].indices(total)
    assert list(taken) == [3 * i for i in range(count)]


@pytest.mark.parametrize("total", [0, 1, 7, 89, 269, 270, 300, 2000])
def test_the_table_of_scannet_takes_every_third_of_270(total):
    assert list(SELECTIONS["scannet/first270-stride3"].indices(total)) == list(range(total))[:270:3][:90]


@pytest.mark.parametrize(("total", "stride"), [(1600, 500), (700, 350), (3, 1), (1, 1)])
def test_short_scenes_get_a_shorter_stride(total, stride):
    assert list(SELECTIONS["nrgbd/stride500"].indices(total)) == list(range(0, total, stride))


def test_caps_of_one_family_are_prefixes():
    whole = recording(range(0, 4000), range(0, 4000), range(0, 4000))
    for family, caps in (("scannet/stride3-", (50, 90, 500, 1000)), ("bonn/", (50, 110, 500)), ("tum/", (50, 1000))):
        taken = [numbers(SELECTIONS[f"{family}{cap}"].of(whole)[0]) for cap in caps]
        assert [len(frames) for frames in taken] == list(caps)
        assert all(longest == taken[-1][: len(longest)] for longest in taken)
        base = SELECTIONS[f"{family}{caps[-1]}"]
        assert numbers(base.capped(50).of(whole)[0]) == taken[0]


def test_lists_are_those_of_the_papers():
    lengths = {name: len(selection.sequences) for name, selection in SELECTIONS.items()}
    assert lengths["scannet/stride3-90"] == 100
    assert lengths["tum/1000"] == 8
    assert lengths["bonn/500"] == 5
    assert lengths["kitti-depth/110"] == 13
    assert (lengths["sintel/pose"], lengths["sintel/depth"]) == (14, 23)
    assert lengths["7scenes/stride2-200"] == 18
    left_out = {
        "alley_1",
        "ambush_2",
        "ambush_7",
        "bamboo_1",
        "bamboo_2",
        "bandage_1",
        "bandage_2",
        "mountain_1",
        "shaman_2",
    }
    assert set(SELECTIONS["sintel/depth"].sequences) - set(SELECTIONS["sintel/pose"].sequences) == left_out
    for name, selection in SELECTIONS.items():
        assert selection.name == name
        assert name.split("/")[0] == selection.dataset
        assert selection.dataset in DATASETS
        assert len(set(selection.sequences)) == len(selection.sequences)
    assert len({hash(selection) for selection in SELECTIONS.values()}) == len(SELECTIONS)
    assert eval(repr(SELECTIONS["bonn/500"])) == SELECTIONS["bonn/500"]


def test_rank_goes_wrong_where_a_depth_map_is_missing_and_numbers_do_not():
    there = [i for i in range(100) if i != 40]
    whole = recording(range(100), there)
    published = SELECTIONS["bonn/50"]
    by_rank, _ = published.of(whole)
    assert [int(record.depth.stem) - int(record.image.stem) for record in by_rank] == [0] * 10 + [1] * 40
    strict, _ = published.strict().of(whole)
    assert all(record.depth.stem == record.image.stem for record in strict)
    assert len(strict) == 50
    assert isinstance(published.pairing, ByRank)


def test_strictly_a_frame_without_pose_is_seen_and_not_judged():
    there = [i for i in range(31) if i != 6]
    whole = recording(range(31), range(31), there)
    published = SELECTIONS["scannet/stride3-50"]
    by_rank, _ = published.of(whole)
    assert [record.camera_to_world[0, 3] for record in by_rank] == [0, 3, 7, 10, 13, 16, 19, 22, 25, 28]
    strict, _ = published.strict().of(whole)
    assert numbers(strict) == list(range(0, 31, 3))
    assert [i for i, record in enumerate(strict) if record.camera_to_world is None] == [2]
    assert all(record.camera_to_world[0, 3] == 3 * i for i, record in enumerate(strict) if i != 2)


def test_lost_poses_count_as_there_and_are_dropped_only_where_asked():
    whole = recording(range(10), range(10), range(10))
    matrices = whole.poses.camera_to_world.copy()
    matrices[3] = -np.inf
    whole = replace(whole, poses=Poses(matrices, whole.poses.stamps))
    for tracked, left in ((False, list(range(10))), (True, [0, 1, 2, 4, 5, 6, 7, 8, 9])):
        cut = FrameSelection("mine", "scannet", needs_camera=True, tracked=tracked)
        records, _ = cut.of(whole)
        assert numbers(records) == left


def test_a_lost_pose_is_nan_in_the_clip(tmp_path):
    LAYOUTS["scannet"].write(tmp_path)
    np.savetxt(tmp_path / "scans_test/scene0707_00/pose/3.txt", np.full((4, 4), -np.inf))
    clip = DATASETS["scannet"].open(tmp_path, "scene0707_00", POLICY, SELECTIONS["scannet/stride3-50"])
    assert len(clip.timestamps) == 4
    assert np.isfinite(cameras(clip)).all((1, 2)).tolist() == [True, False, True, True]
    assert np.isnan(cameras(clip)[1]).all()
    assert {finding.what for finding in clip.findings} == {Problem.LOST_POSES, Problem.UNSORTED, Problem.TOO_SHORT}


def test_names_as_text_are_another_order():
    files = Files(tuple(Path(f"{n}.jpg") for n in range(11)), np.arange(11.0))
    whole = replace(recording(range(11)), images=files)
    records, _ = FrameSelection("mine", "scannet", by_name=True).of(whole)
    assert numbers(records) == [0, 1, 10, *range(2, 10)]


def test_senseless_selections_are_refused():
    plain = FrameSelection("mine", "tum")
    for field, value in (("stride", 0), ("cap", 0), ("first", -1), ("at_least", -1)):
        with pytest.raises(ValueError, match=f"mine: .*{field}={value}"):
            replace(plain, **{field: value})


def test_tum_full_takes_every_associated_frame_of_the_eight_sequences():
    full = SELECTIONS["tum/full"]
    assert full.sequences == SELECTIONS["tum/1000"].sequences
    assert len(full.sequences) == 8
    many = replace(recording(range(2500), (), range(0, 2500, 2)), pairing=ByTime())
    records, findings = full.of(many)
    assert numbers(records) == list(range(0, 2500, 2))  # the others have no pose
    assert findings == ()


def test_the_lists_of_2026_have_ten_and_seven_sequences_that_readers_know():
    for name, count in (("oxford-spires/ten", 10), ("vbr/all", 7)):
        names = SELECTIONS[name].sequences
        layout = DATASETS[SELECTIONS[name].dataset].layout
        assert len(set(names)) == count
        assert [layout.identify(Path(sequence)).sequence for sequence in names] == list(names)
    dated = DATASETS["oxford-spires"].layout.identify(Path("2024-03-18-christ-church-05"))
    assert dated.sequence in SELECTIONS["oxford-spires/ten"].sequences
