"""`ttt3r data check` on roots of datasets, and `ttt3r data list`."""

import pytest
from layouts_on_disk import LAYOUTS

from ttt3r.data import DATASETS, SELECTIONS


def test_every_sequence_of_every_dataset_is_in_the_report(typed, here):
    for kind in ("scannet", "bonn", "7scenes", "kitti-odometry"):
        LAYOUTS[kind].write(here / "data" / kind)
    code, said, _ = typed("data check data")
    assert code == 0
    assert all(len(line) <= 80 for line in said.splitlines())
    for words in ("scannet (ScanNet)", "scene0707_00", "rgbd_bonn_box", "chess/seq-03", "64 x 48"):
        assert words in said
    flat = " ".join(said.split())
    assert "scannet/first270-stride3 and 21 more: 1 of 100 sequences are here" in flat
    assert "missing: scene0708_00, scene0709_00, scene0710_00, ... (99)" in flat
    assert "http://www.scan-net.org" in flat
    assert "note: unsorted: as text, 10.jpg of scene0707_00 stands before 2.jpg" in flat
    assert "data: 4 sequences of 4 datasets" in flat


def test_what_cannot_be_used_is_named_and_changes_the_exit_code(typed, here):
    LAYOUTS["scannet"].write(here / "data")
    scan = here / "data/scans_test/scene0707_00"
    (scan / "pose/3.txt").write_text("nonsense")
    (scan / "pose/4.txt").unlink()
    code, said, _ = typed("data check data")
    flat = " ".join(said.split())
    assert code == 1
    assert "error: unreadable: data/scans_test/scene0707_00/pose/3.txt must hold rows of numbers" in flat
    assert "warning: missing poses: 2 of 12 images of scene0707_00 have no pose of its number" in flat
    assert "some cannot be used as they are" in flat


def test_every_file_is_decoded_when_asked_for(typed, here):
    LAYOUTS["nyu"].write(here / "data")
    (here / "data/kitchen_0028b/rgb_00007.jpg").write_bytes(b"broken")
    assert typed("data check data")[0] == 0
    code, said, _ = typed("data check data --every-file")
    assert code == 1
    assert "rgb_00007.jpg" in said


def test_a_single_sequence_is_not_told_what_else_there_could_be(typed, here):
    LAYOUTS["scannet"].write(here / "data")
    _, said, _ = typed("data check data/scans_test/scene0707_00")
    assert "scene0707_00" in said
    assert "sequences are here" not in said


def test_many_findings_of_one_kind_are_counted(typed, here):
    LAYOUTS["scannet"].write(here / "data")
    for path in (here / "data/scans_test/scene0707_00/pose").iterdir():
        path.write_text("nonsense")
    code, said, _ = typed("data check data")
    assert code == 1
    assert said.count("error: unreadable") == 5
    assert "... and 7 more of this kind" in said


def test_all_datasets_are_listed_with_layout_home_and_licence(typed):
    code, said, _ = typed("data list")
    flat = "".join(said.split())
    assert code == 0
    assert all(len(line) <= 80 for line in said.splitlines())
    for name, dataset in DATASETS.items():
        assert f"\n{name} " in f"\n{said}"
        assert dataset.home in flat
        assert "".join(dataset.licence.split()) in flat
    assert "tum/50...tum/1000" in flat


@pytest.mark.shared
def test_the_folder_of_samples_is_checked(typed, shared):
    code, said, _ = typed(f"data check {shared / 'data'}")
    flat = " ".join(said.split())
    assert code == 0
    assert "13 sequences of 10 datasets" in flat
    assert "missing depth: 3 depth maps for 4 images of rgbd_dataset_freiburg1_xyz" in flat
    assert all(len(line) <= 80 for line in said.splitlines() if str(shared) not in line)
    assert {selection.dataset for selection in SELECTIONS.values()} == set(DATASETS)
