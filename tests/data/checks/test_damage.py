"""The law of bad data: whatever happens to one file, only `BadSequence` is raised, and nothing is lost without a finding."""

from pathlib import Path

import pytest
from layouts_on_disk import FRAMES, LAYOUTS

from ttt3r.data import DATASETS, BadSequence, Clip, CropToPatches, recognise
from ttt3r.data.checks.inspection import inspect_sequence

POLICY = CropToPatches(64)

DAMAGE = {
    "gone": lambda path: path.unlink(),
    "empty": lambda path: path.write_bytes(b""),
    "nonsense": lambda path: path.write_bytes(bytes(range(256))),
    "cut short": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
}

SILENT = {  # without these files a reader has its own answer: intrinsics and times of the benchmark
    "camera-intrinsics.txt",
    "intrinsic_color.txt",
    "intrinsic_depth.txt",
    "calib_cam_to_cam.txt",
    "calib.txt",
    "times.txt",
    "focal.txt",
}


def one_of_each_kind(root: Path) -> list[Path]:
    """The middle file of each folder and ending."""
    kinds: dict[tuple[str, str], list[Path]] = {}
    for path in sorted(root.rglob("*")):
        if path.is_file():
            last = path.name.split(".", 1)[1] if "frame-" in path.name else path.suffix
            kinds.setdefault(
                (str(path.parent), path.name if last == ".txt" and len(path.stem) > 4 else last), []
            ).append(path)
    return [paths[len(paths) // 2] for paths in kinds.values()]


def opened(kind: str, root: Path) -> Clip | None:
    written = LAYOUTS[kind]
    try:
        return DATASETS[written.dataset].open(root, written.sequence, POLICY)
    except BadSequence:
        return None


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("kind", LAYOUTS)
def test_a_damaged_file_crashes_nothing_and_is_named(kind, damage, tmp_path):
    written = LAYOUTS[kind]
    written.write(tmp_path)
    layout = DATASETS[written.dataset].layout
    (place,) = DATASETS[written.dataset].sequences(tmp_path)
    whole = set(inspect_sequence(layout, place).findings)
    frames = FRAMES - written.skipped
    for path in one_of_each_kind(tmp_path):
        kept = path.read_bytes()
        DAMAGE[damage](path)
        recognise(tmp_path)
        clip = opened(kind, tmp_path)
        left = 0 if clip is None else sum(1 for _ in clip.source)
        named = set(inspect_sequence(layout, place, every_file=True).findings) - whole
        about = f"{damage}: {path.relative_to(tmp_path)}, {left} frames left"
        unused = any(name in str(path) for name in ("image_0", "cam1", "camera_right"))  # of another camera
        if left < frames or path.name not in SILENT and not unused:
            assert named, about
        path.write_bytes(kept)
    assert set(inspect_sequence(layout, place).findings) == whole
