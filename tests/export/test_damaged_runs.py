"""Damaged run folders, memories and learned weights: each gives an answer or one line with the file's name."""

import shutil
import struct
import warnings
import zlib
from dataclasses import dataclass

import damage
import pytest
import torch

from ttt3r.cli import main
from ttt3r.export import PointSelection, RunFolder, RunRecord, read_depth
from ttt3r.types import Memory, RuleState
from ttt3r.update_rules import LearnedGRU, LearnedToken
from ttt3r.viewer import SceneStage

FRAMES = 3


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    assert main(["data", "demo", str(folder / "sequence"), "--frames", str(FRAMES)]) == 0
    words = ["run", str(folder / "sequence/rgb"), "--network", "tiny-random", "--min-confidence", "1", "--record-gains"]
    assert main([*words, "--out", str(folder / "run")]) == 0
    return folder / "run"


def problems(path, name, damages, *calls):
    """All damages of a file that some call does not take well; each call gets the folder, whole but for this file."""
    whole, found = (path / name).read_bytes(), []
    try:
        for what, content in damages:
            for call in calls:
                (path / name).write_bytes(content)
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    if problem := damage.outcome(lambda call=call: call(path), str(path)):
                        found.append(f"{name}, {what}, {call.__name__}: {problem}")
    finally:
        (path / name).write_bytes(whole)
    return found


def view(path):
    stage = SceneStage.open([path])
    assert stage.size >= 0
    assert stage.confidence_range[0] < stage.confidence_range[1]
    stage.notes()
    saved = stage.runs[0].saved
    for read in (saved.image, saved.depth, saved.confidence, saved.token_gains):
        read(1)
    stage.runs[0].painting(1, None)
    _ = stage.runs[0].fov, stage.runs[0].placement(1)


def resume(path):
    """As `ttt3r run --resume` opens a folder; in a copy, since it cuts files."""
    copy = path.with_name("copy")
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(path, copy)
    try:
        record = RunRecord.load(path)
        folder = RunFolder.resume(copy, record.settings, PointSelection(**record.points))
        folder.restore()
        folder.finish(record.status)
    except (ValueError, OSError) as error:
        raise type(error)(str(error).replace(str(copy), str(path))) from error


def test_a_whole_run_is_fine(run):
    view(run)
    resume(run)


def test_damaged_records(run):
    assert problems(run, "run.json", damage.json_damages((run / "run.json").read_text()), view) == []
    texts = damage.text_damages((run / "run.json").read_bytes())
    assert problems(run, "run.json", texts, resume) == []


@pytest.mark.parametrize(("name", "comma"), [("trajectory.txt", " "), ("intrinsics.csv", ","), ("gains.csv", ",")])
def test_damaged_tables(run, name, comma):
    damages = list(damage.cell_damages((run / name).read_bytes(), comma))
    assert problems(run, name, damages, view) == []
    assert problems(run, name, damages[::5], resume) == []


def test_damaged_arrays(run, tmp_path):
    cloud = f"points_{FRAMES:06d}.npz"
    assert problems(run, cloud, damage.array_damages(run / cloud, tmp_path), view) == []
    assert problems(run, cloud, list(damage.array_damages(run / cloud, tmp_path))[::6], resume) == []
    for name in ("depth/frame_000001.npz", "gains/frame_000001.npz"):
        assert problems(run, name, damage.array_damages(run / name, tmp_path), view) == []


def png(width, height, text=b"units_per_metre\x001000", data=b""):
    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", width, height, 16, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        [chunk(b"IHDR", head), chunk(b"tEXt", text), chunk(b"IDAT", zlib.compress(data)), chunk(b"IEND", b"")]
    )


def test_damaged_pictures(run):
    name = "images/frame_000001.jpg"
    pictures = [("another size", png(3, 2, data=bytes(14))), ("a bomb", png(60000, 60000)), ("a strip", png(10**6, 1))]
    assert problems(run, name, [*pictures, *damage.text_damages((run / name).read_bytes())], view) == []
    depth = "depth/frame_000001.png"
    texts = [
        (text.decode(), png(2, 2, text, bytes(10)))
        for text in (b"units_per_metre\0x", b"units_per_metre\x000", b"a\0b")
    ]
    damages = [*pictures, *texts, *damage.text_damages((run / depth).read_bytes())]
    assert problems(run, depth, damages, lambda path: read_depth(path / depth)) == []


def test_damaged_memories(run):
    name = "memory.safetensors"

    def load(path):
        Memory.load(path / name)

    damages = list(damage.header_damages((run / name).read_bytes()))
    assert problems(run, name, damages, load) == []
    assert problems(run, name, damages[::25], resume) == []


def test_folders_and_nothing_in_the_place_of_files(run, tmp_path):
    for name in ("run.json", "memory.safetensors", "trajectory.txt", "intrinsics.csv", "points_000003.npz", "images"):
        for put in (lambda path: None, lambda path: path.mkdir(), lambda path: path.symlink_to(path.name)):
            copy = tmp_path / "copy of run"
            shutil.rmtree(copy, ignore_errors=True)
            shutil.copytree(run, copy)
            target = copy / name
            shutil.rmtree(target) if target.is_dir() else target.unlink()
            put(target)
            for call in (view, resume):
                assert damage.outcome(lambda call=call, copy=copy: call(copy), str(copy)) is None, name


def test_the_command_line_says_it_in_one_line(run, capsys):
    words = [
        "run",
        str(run.parent / "sequence/rgb"),
        "--network",
        "tiny-random",
        "--min-confidence",
        "1",
        "--record-gains",
    ]
    record = (run / "run.json").read_text()
    try:
        for content in (damage.DEEP, "[]", record.replace('"frames": 3', '"frames": "3"'), record[:100]):
            (run / "run.json").write_text(content)
            for command in ([*words, "--resume", "--out", str(run)], ["view", str(run)]):
                capsys.readouterr()
                assert main(command) == 2
                text = capsys.readouterr().err
                assert text.count("\n") == 1, text
                assert "run.json is not the record of a run" in text
    finally:
        (run / "run.json").write_text(record)


@dataclass(frozen=True)
class Kept(RuleState):
    """What a rule might carry."""

    step: torch.Tensor
    parts: tuple[torch.Tensor, ...]
    note: float = 1.0


def test_memories_with_a_rule_come_back_and_are_checked(tmp_path):
    plain = Memory.start(torch.zeros(2, 5, 4), torch.zeros(2, 3, 8), Kept(torch.ones(2, 5), (torch.ones(2, 1),)))
    plain.save(tmp_path / "m.safetensors")
    again = Memory.load(tmp_path / "m.safetensors")
    assert isinstance(again.rule, Kept)
    assert torch.equal(again.rule.step, torch.ones(2, 5))
    damages = damage.header_damages((tmp_path / "m.safetensors").read_bytes())
    assert problems(tmp_path, "m.safetensors", damages, lambda path: Memory.load(path / "m.safetensors")) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"age": torch.zeros(3, dtype=torch.long)}, "numbers of sequences"),
        ({"age": torch.tensor([5, 0])}, "age"),
        ({"seen": torch.tensor([-1, 0])}, "cannot be"),
        ({"state": torch.zeros(2, 5)}, "state is float32"),
        ({"state": torch.zeros(2, 5, 4, dtype=torch.long)}, "state is int64"),
        ({"pose": torch.full((2, 3, 8), torch.nan)}, "finite"),
        ({"chunk_to_world": torch.zeros(2, 3, 4)}, "chunk_to_world"),
        ({"rule": Kept(torch.ones(7, 5), ())}, "numbers of sequences"),
        ({"rule": Kept(torch.ones(2, 5), torch.ones(2, 1))}, "parts"),  # pyright: ignore[reportArgumentType]
        ({"rule": (1, 2)}, "rule"),
    ],
)
def test_memories_that_no_stream_has(tmp_path, change, words):
    whole = vars(Memory.start(torch.zeros(2, 5, 4), torch.zeros(2, 3, 8)))
    try:
        memory = Memory(**{**whole, **change})
    except TypeError:  # with shape checks on it cannot even be made
        memory = object.__new__(Memory)
        memory.__dict__.update({**whole, **change})
    memory.save(tmp_path / "m.safetensors")
    with pytest.raises(ValueError, match=f"{words}|TypeCheckError") as error:
        Memory.load(tmp_path / "m.safetensors")
    assert "m.safetensors" in str(error.value)


def test_damaged_learned_weights(tmp_path):
    for kind in (LearnedToken, LearnedGRU):
        kind(channel=8, hidden=4).save(tmp_path / "w.safetensors")
        damages = damage.header_damages((tmp_path / "w.safetensors").read_bytes())
        found = problems(
            tmp_path, "w.safetensors", damages, lambda path, kind=kind: kind(weights=path / "w.safetensors")
        )
        assert found == []
