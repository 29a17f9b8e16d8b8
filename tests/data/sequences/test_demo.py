"""The self-made sequence: true TUM layout, slow, sharp, always the same. What it shows is tested with the world."""

import time

import numpy as np
import pytest

from ttt3r.data import CropToPatches, open_clip, write_demo_sequence

SIZE = (160, 120)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_demo_sequence(tmp_path_factory.mktemp("room") / "demo", frames=6, size=SIZE)


@pytest.fixture(scope="module")
def clip(folder):
    return open_clip(folder, policy=CropToPatches(64))


def test_it_is_a_sequence_in_tum_layout(folder, clip):
    assert len(list(clip.source)) == 6
    assert next(iter(clip.source)).image.shape == (1, 3, 48, 64)
    assert clip.intrinsics[:2, 2].tolist() == [80, 60]
    np.testing.assert_allclose(np.diff(clip.timestamps), 0.1)
    steps = np.linalg.norm(np.diff(clip.camera_to_world[:, :3, 3], axis=0), axis=1)
    assert (steps > 0.01).all()
    assert (steps < 0.12).all()
    assert all(0.2 < clip.depth(index).min() < clip.depth(index).max() < 13 for index in range(6))


def test_the_seed_decides(tmp_path):
    def first(name, seed):
        return next((write_demo_sequence(tmp_path / name, 1, (48, 32), seed) / "rgb").iterdir()).read_bytes()

    assert first("a", 1) == first("b", 1) != first("c", 2)


def test_it_is_quick(tmp_path):
    start = time.process_time()
    write_demo_sequence(tmp_path, frames=2)
    assert time.process_time() - start < 2


def test_nothing_is_refused(tmp_path):
    with pytest.raises(ValueError, match="frames=0"):
        write_demo_sequence(tmp_path, frames=0)


def test_a_demo_is_made_anew_but_nothing_else_is_written_over(tmp_path):
    write_demo_sequence(tmp_path / "a", 3, (48, 32))
    write_demo_sequence(tmp_path / "a", 2, (48, 32))
    assert len(list((tmp_path / "a" / "rgb").iterdir())) == len(list((tmp_path / "a" / "depth").iterdir())) == 2
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "rgb.txt").write_text("# timestamp filename\n")
    with pytest.raises(FileExistsError, match="give another folder"):
        write_demo_sequence(tmp_path / "b", 2, (48, 32))
    assert [path.name for path in (tmp_path / "b").iterdir()] == ["rgb.txt"]
