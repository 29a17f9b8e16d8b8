"""Damaged and hostile networks: every one gives an answer or one line with the file's name, and nothing large is made."""

import argparse
import collections
import pickle
import re
import shutil
import warnings
import zipfile

import damage
import pytest
import torch

from ttt3r.network import CUT3R, CheckpointError, CUT3RConfig, checkpoint, load_network, save_network
from ttt3r.network.checkpoint import CONFIG, NANO, WEIGHTS
from ttt3r.network.pickle_scan import scan


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("network")
    save_network(CUT3R.random(CUT3RConfig.tiny()), path)
    return path


def problems(folder, name, damages):
    """All damages of one file of the folder that are not taken well."""
    whole, found = (folder / name).read_bytes(), []
    try:
        for what, content in damages:
            (folder / name).write_bytes(content)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                if problem := damage.outcome(lambda: load_network(folder), str(folder)):
                    found.append(f"{what}: {problem}")
    finally:
        (folder / name).write_bytes(whole)
    return found


def test_damaged_settings_are_named(folder):
    assert problems(folder, CONFIG, damage.json_damages((folder / CONFIG).read_text())) == []


def test_damaged_settings_of_another_head_are_named(tmp_path):
    (tmp_path / WEIGHTS).write_bytes((NANO / WEIGHTS).read_bytes())
    text = (NANO / CONFIG).read_text()
    (tmp_path / CONFIG).write_text(text)
    heads = ((what, content) for what, content in damage.json_damages(text) if what.startswith(("head", "ray_form")))
    assert problems(tmp_path, CONFIG, heads) == []


def test_damaged_weights_are_named(folder):
    assert problems(folder, WEIGHTS, damage.header_damages((folder / WEIGHTS).read_bytes())) == []


@pytest.mark.parametrize(
    ("name", "damaged"),
    [
        (CONFIG, "{}"),
        (CONFIG, None),
        (WEIGHTS, "cut"),
        (CONFIG, (NANO / CONFIG).read_text().replace('"slots"', '"slot"')),
    ],
)
def test_a_damaged_bundled_network_is_to_be_installed_again(tmp_path, monkeypatch, name, damaged):
    monkeypatch.setattr(checkpoint, "NANO", shutil.copytree(NANO, tmp_path / "nano"))
    assert load_network("nano").config == CUT3RConfig.nano()
    (tmp_path / "nano" / name).unlink() if damaged is None else (tmp_path / "nano" / name).write_text(damaged)
    with pytest.raises(CheckpointError, match="the bundled network nano is damaged") as error:
        load_network("nano")
    assert str(error.value).endswith("; reinstall the package: pip install --force-reinstall ttt3r")
    assert "convert" not in str(error.value)


def test_a_bundled_network_of_other_sizes_is_to_be_installed_again(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "NANO", shutil.copytree(NANO, tmp_path / "nano"))
    text = (NANO / CONFIG).read_text()
    (tmp_path / "nano" / CONFIG).write_text(re.sub(r'"state_tokens": \d+', '"state_tokens": 5', text))
    with pytest.raises(CheckpointError, match="of another shape.*reinstall the package"):
        load_network("nano")


def test_a_lost_setting_is_named_even_where_its_default_fits(tmp_path):
    (tmp_path / WEIGHTS).write_bytes((NANO / WEIGHTS).read_bytes())
    text = (NANO / CONFIG).read_text()
    (tmp_path / CONFIG).write_text(text.replace('  "heads": 4,\n', ""))
    with pytest.raises(CheckpointError, match="has no heads"):
        load_network(tmp_path)


def test_weights_are_compared_before_they_are_read(folder, monkeypatch):
    """A file that claims other shapes is refused without one tensor of it being made."""
    whole = (folder / CONFIG).read_text()
    (folder / CONFIG).write_text(whole.replace('"state_tokens": 30', '"state_tokens": 65536'))
    monkeypatch.setattr("ttt3r.network.checkpoint.build", lambda *_: pytest.fail("something was made"))
    try:
        with pytest.raises(CheckpointError, match=r"registers.* is \(30, 64\), expected \(65536, 64\)"):
            load_network(folder)
    finally:
        (folder / CONFIG).write_text(whole)


def tower(height, wide):
    """Tuples within tuples, each referred to `wide` times."""
    value = ()
    for _ in range(height):
        value = (value,) * wide
    return value


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (tower(300, 1), "deep"),
        (tower(30, 2), "values"),
        ("x" * (2**20 + 1), "characters"),
        ({"a": 2**2000}, "LONG4|bits"),
        (bytearray(10), "bytearray"),
        (list(range(10_001)), "instructions"),
    ],
    ids=["deep", "many references", "a long text", "a long number", "an array of bytes", "many values"],
)
def test_a_pickle_that_asks_for_too_much_is_refused_before_it_is_parsed(value, words, tmp_path, monkeypatch):
    if isinstance(value, list):
        monkeypatch.setattr("ttt3r.network.pickle_scan.MOST_INSTRUCTIONS", 10_000)
    torch.save({"args": None, "model": {}, "more": value}, tmp_path / "x.pth")
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("it was parsed"))
    with pytest.raises(CheckpointError, match=words) as error:
        load_network(tmp_path / "x.pth")
    assert "x.pth" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("kind", ["FloatTensor", "Tensor", "UntypedStorage", "ByteStorage"])
def test_what_makes_a_tensor_out_of_a_number_is_refused(kind, tmp_path, monkeypatch):
    class Large:
        def __reduce__(self):
            return getattr(torch, kind), (8,)

    torch.save({"args": Large(), "model": {}}, tmp_path / "x.pth")
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("it was parsed"))
    with pytest.raises(CheckpointError, match="which a checkpoint has no need of"):
        load_network(tmp_path / "x.pth")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x80\x02",
        b"\x80\x02(((",
        b"\x80\x02t.",
        b"\x80\x02h\x05.",
        b"\x80\x02R.",
        b"\x80\x02a.",
        b"\x80\x02q\x01.",
    ],
)
def test_broken_pickles_are_refused(data):
    with pytest.raises(ValueError, match="pickle"):
        scan(data, ())


def test_ordinary_values_pass():
    counted = collections.OrderedDict(a=1, b=[1, 2.5, None, True, "x", (1, 2)], c={"d": {1, 2}})
    shared = ["x"] * 1000
    scan(pickle.dumps([counted, shared, shared, -5, 2**60], protocol=2), ())


def test_values_that_refer_to_themselves_end():
    loop: list = []
    loop.append(loop)
    scan(pickle.dumps(loop, protocol=2), ())


def rewritten(source, target, change, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            new.writestr(name, change(name, old.read(name)), compression)
    return target


def test_archives_that_pytorch_does_not_write_are_refused(tmp_path):
    torch.save({"args": argparse.Namespace(model="x"), "model": {"a": torch.zeros(64)}}, tmp_path / "whole.pth")
    whole = tmp_path / "whole.pth"
    cases = {
        "compressed": (rewritten(whole, tmp_path / "a.pth", lambda _, data: data, zipfile.ZIP_DEFLATED), "compressed"),
        "a second pickle": (tmp_path / "b.pth", "2 pickles|twice"),
        "bytes before": (tmp_path / "c.pth", "begin"),
        "large": (
            rewritten(whole, tmp_path / "d.pth", lambda n, data: bytes(2**25 + 1) if n.endswith(".pkl") else data),
            "bytes",
        ),
    }
    (tmp_path / "b.pth").write_bytes(whole.read_bytes())
    with zipfile.ZipFile(tmp_path / "b.pth", "a") as archive:
        archive.writestr("other/data.pkl", b"\x80\x02N.")
    (tmp_path / "c.pth").write_bytes(b"#!/bin/sh\n" + whole.read_bytes())
    for what, (path, words) in cases.items():
        with pytest.raises(CheckpointError, match=words) as error:
            load_network(path)
        assert path.name in str(error.value), what


def test_damaged_official_files_are_named(tmp_path):
    torch.save({"args": argparse.Namespace(model="x"), "model": {"a": torch.zeros(64)}}, tmp_path / "x.pth")
    whole = (tmp_path / "x.pth").read_bytes()
    found = []
    for position in [*range(0, len(whole), 7)]:
        (tmp_path / "x.pth").write_bytes(whole[:position] + bytes([whole[position] ^ 0x5A]) + whole[position + 1 :])
        if problem := damage.outcome(lambda: load_network(tmp_path / "x.pth"), "x.pth"):
            found.append(f"byte {position}: {problem}")
    assert found == []


def test_convert_names_a_damaged_file_in_one_line(tmp_path, capsys):
    from ttt3r.cli import main

    torch.save({"args": None, "model": {}, "more": tower(300, 1)}, tmp_path / "x.pth")
    assert main(["convert", str(tmp_path / "x.pth"), str(tmp_path / "out")]) == 2
    text = capsys.readouterr().err
    assert text.count("\n") == 1
    assert "x.pth" in text
    assert "deep" in text
    assert not (tmp_path / "out" / WEIGHTS).exists()
