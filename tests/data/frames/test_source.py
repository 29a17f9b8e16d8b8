"""Streams from folders, globs and lists: order, sampling, broken and unequal frames, refusals."""

import numpy as np
import pytest
from PIL import Image

from ttt3r.data import BrokenImage, CropToPatches, Sampling, open_source
from ttt3r.data.frames.files import natural_key

POLICY = CropToPatches(32)


def paint(path, value=0, size=(40, 30)):
    Image.new("RGB", size, (value, value, value)).save(path)


@pytest.fixture
def folder(tmp_path):
    for number in (10, 9, 2, 1, 0, 11):
        paint(tmp_path / f"im{number}.png", value=number)
    (tmp_path / "notes.txt").write_text("other files are passed over")
    (tmp_path / "._im0.png").write_text("as are hidden ones")
    return tmp_path


def values(source):
    return [round((frame.image.mean().item() + 1) * 127.5) for frame in source]


def test_a_folder_in_natural_order(folder):
    source = open_source(folder, policy=POLICY)
    assert len(source) == 6
    frames = list(source)
    assert [frame.name for frame in frames] == [f"im{n}.png" for n in (0, 1, 2, 9, 10, 11)]
    assert [frame.index for frame in frames] == list(range(6))
    assert [frame.timestamp for frame in frames] == [0, 1, 2, 3, 4, 5]
    assert frames[0].image.shape == (1, 3, 16, 32)
    assert values(source) == values(source) == [0, 1, 2, 9, 10, 11]


def test_natural_order_of_many_names(tmp_path):
    names = [
        "a.png",
        "a1b2.png",
        "a1b10.png",
        "a01c.png",
        "B.png",
        "1.png",
        "007.png",
        "7.png",
        "10.png",
        "x9y.png",
        "xy.png",
    ]
    ordered = sorted((tmp_path / name for name in names), key=natural_key)
    assert [path.name for path in ordered] == [
        *(
            "1.png",
            "007.png",
            "7.png",
            "10.png",
            "a1b2.png",
            "a1b10.png",
            "a01c.png",
            "a.png",
            "B.png",
            "x9y.png",
            "xy.png",
        )
    ]


def test_globs_lists_and_single_images(folder):
    assert values(open_source(str(folder / "im1*.png"), policy=POLICY)) == [1, 10, 11]
    assert values(open_source(str(folder / "**" / "im?.png"), policy=POLICY)) == [0, 1, 2, 9]
    assert values(open_source([folder / "im9.png", str(folder / "im2.png")], policy=POLICY)) == [9, 2]
    assert values(open_source(folder / "im10.png", policy=POLICY)) == [10]


def test_a_folder_whose_name_looks_like_a_glob(tmp_path):
    (tmp_path / "take [1]").mkdir()
    paint(tmp_path / "take [1]" / "0.png", 5)
    assert values(open_source(tmp_path / "take [1]", policy=POLICY)) == [5]


@pytest.mark.parametrize(
    ("sampling", "indices"),
    [
        (Sampling(), [0, 1, 2, 3, 4, 5]),
        (Sampling(stride=2), [0, 2, 4]),
        (Sampling(stride=2, start=1), [1, 3, 5]),
        (Sampling(stride=3, start=1, stop=5), [1, 4]),
        (Sampling(stop=2), [0, 1]),
        (Sampling(stop=100), [0, 1, 2, 3, 4, 5]),
    ],
)
def test_sampling_counts_source_frames(folder, sampling, indices):
    source = open_source(folder, policy=POLICY, sampling=sampling)
    assert [frame.index for frame in source] == indices
    assert source.length == len(source) == len(indices)
    assert [index for index in range(6) if sampling.takes(index)] == indices


@pytest.mark.parametrize("wrong", [{"stride": 0}, {"start": -1}, {"start": 5, "stop": 5}])
def test_meaningless_samplings_are_refused(wrong):
    with pytest.raises(ValueError, match="="):
        Sampling(**wrong)


def test_a_sampling_beyond_the_end_is_refused_at_once(folder):
    with pytest.raises(ValueError, match="none of the 6 frames"):
        open_source(folder, policy=POLICY, sampling=Sampling(start=6))


def test_a_broken_image_surfaces_when_it_is_reached(folder):
    data = (folder / "im9.png").read_bytes()
    (folder / "im9.png").write_bytes(data[: len(data) // 2])
    frames = iter(open_source(folder, policy=POLICY))
    assert [next(frames).name for _ in range(3)] == ["im0.png", "im1.png", "im2.png"]
    with pytest.raises(BrokenImage, match=r"im9\.png.*skip_broken"):
        next(frames)


def test_a_broken_image_can_be_skipped_and_is_recorded(folder):
    (folder / "im9.png").write_bytes(b"")
    (folder / "im0.png").write_text("no image")
    source = open_source(folder, policy=POLICY, skip_broken=True)
    for _ in range(2):  # the record does not grow with repeated reading
        assert [(frame.index, frame.name) for frame in source] == [
            *((1, "im1.png"), (2, "im2.png"), (4, "im10.png"), (5, "im11.png"))
        ]
        assert [name for name, _ in source.skipped] == ["im0.png", "im9.png"]
        assert "empty file" in source.skipped[1][1]


def test_nothing_but_broken_images_is_an_error_even_when_skipping(tmp_path):
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_text("no image")
    with pytest.raises(ValueError, match=r"no frame of .* could be used: .*a\.png"):
        list(open_source(tmp_path, policy=POLICY, skip_broken=True))


def test_images_of_differing_sizes_name_both(folder):
    paint(folder / "im3.png", size=(30, 40))
    frames = iter(open_source(folder, policy=POLICY))
    assert [next(frames).index for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match=r"im3\.png is 16x32 when prepared, but im0\.png is 32x16.*one\s+size"):
        next(frames)


def test_originals_may_differ_if_the_prepared_sizes_agree(folder):
    paint(folder / "im3.png", size=(80, 60))
    assert len(list(open_source(folder, policy=POLICY))) == 7


def test_an_image_that_is_too_flat_is_named(folder):
    paint(folder / "im3.png", size=(400, 10))
    with pytest.raises(ValueError, match=r"im3\.png: an image of 400x10"):
        list(open_source(folder, policy=POLICY))


def test_refusals_come_when_opening(tmp_path):
    def refused(path, kind, match):
        with pytest.raises(kind, match=match):
            open_source(path, policy=POLICY)

    refused(tmp_path / "nowhere", FileNotFoundError, "nothing at .*nowhere; give a folder")
    refused(tmp_path, FileNotFoundError, "no image in .*nothing is there")
    (tmp_path / "texts").mkdir()
    for name in ("a.txt", "b.txt", "c.md"):
        (tmp_path / "texts" / name).write_text("x")
    refused(tmp_path / "texts", FileNotFoundError, r"found 2 x \.txt, 1 x \.md \(such as a\.txt")
    refused(tmp_path, FileNotFoundError, "1 x folder")
    refused(tmp_path / "texts" / "a.txt", ValueError, "neither an image nor a video")
    refused(str(tmp_path / "*.png"), FileNotFoundError, "no image matches")
    refused([], ValueError, "lists no image")
    refused([tmp_path / "texts" / "a.txt"], ValueError, "no image that can be read")
    refused([tmp_path / "gone.png"], FileNotFoundError, r"gone\.png")
    refused("webcam:97", (FileNotFoundError, ValueError), "97")
    (tmp_path / "phone").mkdir()
    (tmp_path / "phone" / "a.HEIC").write_bytes(b"x")
    refused(tmp_path / "phone", ValueError, "HEIC")
    refused(tmp_path / "phone" / "a.HEIC", ValueError, "convert it to JPEG")


def test_importing_the_wing_loads_no_video_library():
    import subprocess
    import sys

    code = "import sys, ttt3r.data; print([m for m in ('av', 'scipy', 'matplotlib', 'trimesh') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.mark.shared
def test_real_photos_of_a_phone(shared):
    source = open_source(shared / "data" / "rgb_fox" / "images", policy=CropToPatches(512), sampling=Sampling(stride=6))
    shapes = {tuple(frame.image.shape) for frame in source}
    assert shapes == {(1, 3, 512, 288)}
    assert np.isfinite([frame.image.mean() for frame in source]).all()


def test_video_without_its_library_names_the_extra(tmp_path, monkeypatch):
    import sys

    (tmp_path / "a.mp4").write_bytes(b"x")
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(ImportError, match=r"pip install 'ttt3r\[video\]'"):
        open_source(tmp_path / "a.mp4", policy=POLICY)


def run_inside(folder, name="out"):
    """What a run leaves: its record, prepared images, pictures, and depth maps beside them."""
    run = folder / name
    for part in ("images", "depth", "colmap"):
        (run / part).mkdir(parents=True)
    (run / "run.json").write_text("{}")
    for i in range(2):
        Image.new("RGB", (64, 48)).save(run / f"images/frame_{i:06d}.jpg")
        Image.new("I;16", (64, 48)).save(run / f"depth/frame_{i:06d}.png")
    Image.new("RGB", (64, 48)).save(run / "trajectory.png")
    (run / "trajectory.txt").write_text("0 0 0 0 0 0 0 1\n1 0 0 0 0 0 0 1\n")
    (run / "colmap/cameras.txt").write_text("1 PINHOLE 64 48 50 50 32 24\n")
    (run / "colmap/images.txt").write_text("".join(f"{i + 1} 1 0 0 0 0 0 0 1 frame_{i:06d}.jpg\n\n" for i in range(2)))
    return run


def names_of(path):
    return [frame.name for frame in open_source(path, policy=CropToPatches(64))]


@pytest.mark.parametrize("pattern", ["", "*.png", "*", "**/*.png", "**/*", "*/*", "**"])
def test_the_output_of_a_run_is_never_its_input(tmp_path, pattern):
    shots = tmp_path / "shots"
    (shots / "more").mkdir(parents=True)
    for i in range(5):
        Image.new("RGB", (64, 48)).save(shots / f"shot{i}.png")
        Image.new("RGB", (64, 48)).save(shots / f"more/shot{i + 5}.png")
    before = names_of(str(shots / pattern))
    run_inside(shots)
    run_inside(shots / "more", "deep/out")
    assert names_of(str(shots / pattern)) == before
    assert before


def test_images_right_in_a_folder_win_over_a_sequence_below(tmp_path):
    below = tmp_path / "below"
    run_inside(tmp_path, "below")
    (below / "run.json").unlink()
    Image.new("RGB", (64, 48)).save(tmp_path / "shot.png")
    assert names_of(tmp_path) == ["shot.png"]


def test_a_run_given_as_input_is_refused_and_its_prepared_images_are_not(tmp_path):
    run = run_inside(tmp_path)
    with pytest.raises(ValueError, match="is the output folder of a run"):
        names_of(run)
    with pytest.raises(FileNotFoundError, match=r"no image"):
        names_of(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"2 files in the output folder of a run"):
        names_of(str(tmp_path / "*/images/*.jpg"))
    assert names_of(run / "images") == ["frame_000000.jpg", "frame_000001.jpg"]
    assert names_of(str(run / "images/*.jpg")) == ["frame_000000.jpg", "frame_000001.jpg"]
    Image.new("RGB", (64, 48)).save(tmp_path / "shot.png")
    files = [tmp_path / "shot.png", *sorted(run.glob("images/*"))]
    with pytest.raises(ValueError, match="2 of the 3 files belong to the output folder of a run"):
        open_source(files, policy=CropToPatches(64))
    assert len(names_of(files[1:])) == 2
