"""A published checkpoint, fetched from a server on this machine: whole, cut off, wrong, moved, without room."""

import hashlib
import json
import shutil
import socket
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from file_server import Behaviour, serving
from network.test_checkpoint import same, write

from ttt3r.files import is_partial, locked
from ttt3r.network import CUT3R, CUT3RConfig, load_network
from ttt3r.network.downloading import LocalMirror, WebMirror
from ttt3r.network.fetching import LICENCE_FILE, fetch
from ttt3r.network.hub import HubRepository, source_of
from ttt3r.network.published import (
    CUT3R_512,
    PUBLISHED,
    FetchedFrom,
    PublishedCheckpoint,
    downloads,
    home,
    resolve,
)

pytestmark = pytest.mark.filterwarnings("ignore::ttt3r.network.checkpoint.CheckpointWarning")
FILE = "tiny_4.pth"


@pytest.fixture(scope="module")
def network():
    return CUT3R.random(CUT3RConfig.tiny(), seed=3)


@pytest.fixture(scope="module")
def content(network, tmp_path_factory):
    return write(tmp_path_factory.mktemp("official") / FILE, network).read_bytes()


@pytest.fixture
def checkpoint(content, tmp_path, monkeypatch):
    """A small file in the official layout as if someone had published it; its name is known to `load_network`."""
    monkeypatch.setenv("TTT3R_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("no_proxy", "*")  # the server is on this machine
    digest = hashlib.sha256(content).hexdigest()
    made = PublishedCheckpoint(
        "tiny", FILE, len(content), digest, "datasets/o/n", "us", "page", "a licence", "its page"
    )
    monkeypatch.setitem(PUBLISHED, "tiny", made)
    return made


def nothing_is_half_written(checkpoint):
    assert not checkpoint.folder.exists()
    assert [path.name for path in checkpoint.folder.parent.iterdir() if is_partial(path.name)] == []


def test_what_is_known_of_the_official_file_stands_in_one_place():
    assert CUT3R_512.size == 3_173_761_006
    assert CUT3R_512.sha256 == "45f7e98a0a64dbeb54901ae2b878cd8cd125f20a4497316483f0bd6f109f8103"
    assert CUT3R_512.licence == "CC BY-NC-SA 4.0"
    assert PUBLISHED["cut3r-512"] is CUT3R_512


def test_a_fetched_network_is_found_by_its_name(checkpoint, content, network):
    told = []
    with serving(Behaviour({f"/mirror/{FILE}": content})) as address:
        folder = fetch(checkpoint, WebMirror(f"{address}/mirror/"), lambda *facts: told.append(facts))
    assert folder == checkpoint.folder == home() / "networks/tiny"
    assert same(load_network("tiny"), network)
    assert sorted(path.name for path in folder.iterdir()) == [
        LICENCE_FILE,
        "config.json",
        "model.safetensors",
        "source.json",
    ]
    assert "a licence" in (folder / LICENCE_FILE).read_text()
    record = FetchedFrom.of(folder)
    assert (record.file, record.size, record.sha256) == (FILE, len(content), checkpoint.sha256)
    assert record.weights_sha256 == hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    assert list(downloads().iterdir()) == []  # the official file has served
    assert ("downloading", len(content), len(content)) in told
    assert ("checking", len(content), len(content)) in told


def test_what_is_there_is_not_fetched_again(checkpoint, content):
    behaviour = Behaviour({f"/{FILE}": content})
    with serving(behaviour) as address:
        fetch(checkpoint, WebMirror(f"{address}/{FILE}"), keep=True)
        fetch(checkpoint, WebMirror(f"{address}/{FILE}"))
        assert len(behaviour.asked) == 1
        assert (downloads() / FILE).read_bytes() == content
        (downloads() / FILE).unlink()
        fetch(checkpoint, WebMirror(f"{address}/{FILE}"), overwrite=True)
        assert len(behaviour.asked) == 2
    (checkpoint.folder / "model.safetensors").write_bytes(b"cut off")
    with pytest.raises(ValueError, match=r"is damaged.*ttt3r fetch tiny --accept-licence --overwrite"):
        fetch(checkpoint, WebMirror("https://example.invalid"))
    (checkpoint.folder / "source.json").unlink()
    with pytest.raises(ValueError, match="--overwrite"):
        fetch(checkpoint, WebMirror("https://example.invalid"))


@pytest.mark.parametrize("ranges", [True, False])
def test_a_download_that_was_cut_off_goes_on(checkpoint, content, network, ranges):
    third = len(content) // 3
    behaviour = Behaviour({f"/{FILE}": content}, cut=[third, third] if ranges else [third], ranges=ranges)
    with serving(behaviour) as address:
        source = WebMirror(address)
        for ended in (third, 2 * third)[: 2 if ranges else 1]:
            with pytest.raises(
                OSError, match=f"ended after {ended} of {len(content)} bytes, which are kept; run the same"
            ):
                fetch(checkpoint, source)
            nothing_is_half_written(checkpoint)
        fetch(checkpoint, source)
    assert [first for *_, first in behaviour.asked] == ([0, third, 2 * third] if ranges else [0, third])
    assert same(load_network("tiny"), network)


def test_a_part_of_another_file_is_found_out_and_removed(checkpoint, content):
    downloads().mkdir(parents=True)
    (downloads() / f"{FILE}.part").write_bytes(b"x" * 1000)
    with serving(Behaviour({f"/{FILE}": content})) as address:
        with pytest.raises(ValueError, match=r"its SHA-256 is .* expected .*removed: run the same command again"):
            fetch(checkpoint, WebMirror(address))
        nothing_is_half_written(checkpoint)
        fetch(checkpoint, WebMirror(address))
        (downloads() / f"{FILE}.part").write_bytes(content + b"more")
        fetch(checkpoint, WebMirror(address), overwrite=True)
    assert list(downloads().iterdir()) == []


def test_a_wrong_file_is_never_read(checkpoint, content, monkeypatch):
    wrong = content[:-1] + bytes([content[-1] ^ 1])
    monkeypatch.setattr("ttt3r.network.fetching.load_network", lambda *_: pytest.fail("it was parsed"))
    with serving(Behaviour({f"/{FILE}": wrong, "/short.pth": content[:100]})) as address:
        with pytest.raises(
            ValueError, match=f"is not the published file: its SHA-256 is .* expected {checkpoint.sha256}"
        ):
            fetch(checkpoint, WebMirror(address))
        with pytest.raises(OSError, match=rf"has 100 bytes where {FILE} has {len(content)}: it is another file"):
            fetch(checkpoint, WebMirror(f"{address}/short.pth"))
    nothing_is_half_written(checkpoint)
    assert list(downloads().iterdir()) == []


def test_without_network_it_says_where_to_put_the_file(checkpoint, content, network):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(
        OSError, match=r"cannot reach http.*put tiny_4.pth .*downloads first, or name its place with --mirror"
    ):
        fetch(checkpoint, WebMirror(nobody))
    nothing_is_half_written(checkpoint)
    (downloads() / FILE).write_bytes(content)
    fetch(checkpoint, WebMirror(nobody))
    assert same(load_network("tiny"), network)
    assert (downloads() / FILE).exists()  # who put it there may remove it


@pytest.mark.parametrize(("name", "what"), [("", "a file"), (FILE, "its folder")])
def test_a_file_on_this_machine_is_read_where_it_is(checkpoint, content, network, tmp_path, name, what):
    place = tmp_path / "usb"
    place.mkdir()
    (place / FILE).write_bytes(content)
    fetch(checkpoint, LocalMirror(place / name))
    assert same(load_network("tiny"), network)
    assert (place / FILE).read_bytes() == content
    assert FetchedFrom.of(checkpoint.folder).origin == str(place / name)
    (place / FILE).write_bytes(content[:-7])
    with pytest.raises(ValueError, match=f"has {len(content) - 7} bytes where {FILE} has"):
        fetch(checkpoint, LocalMirror(place / name), overwrite=True)
    assert same(load_network("tiny"), network)  # the old one stays
    with pytest.raises(FileNotFoundError, match="no file at .*give a folder that holds"):
        fetch(checkpoint, LocalMirror(tmp_path / "nowhere"), overwrite=True)


def test_it_is_not_led_to_another_scheme(checkpoint, content, tmp_path):
    (tmp_path / FILE).write_bytes(content)
    behaviour = Behaviour({f"/there/{FILE}": content})
    with serving(behaviour) as address:
        for bad in ((tmp_path / FILE).as_uri(), f"ftp://127.0.0.1/{FILE}"):
            behaviour.moved = {f"/{FILE}": bad}
            with pytest.raises(OSError, match=f"leads on to {bad[:4]}.*not https|not allowed"):
                fetch(checkpoint, WebMirror(address))
        nothing_is_half_written(checkpoint)
        behaviour.moved = {f"/{FILE}": f"{address}/there/{FILE}"}
        fetch(checkpoint, WebMirror(address))
    assert load_network("tiny")


def test_what_the_server_answers_is_said(checkpoint):
    with (
        serving(Behaviour({})) as address,
        pytest.raises(OSError, match="answers 404 .*; give another place with"),
    ):
        fetch(checkpoint, WebMirror(address))
    nothing_is_half_written(checkpoint)


def test_a_file_that_is_no_checkpoint_leaves_nothing(checkpoint, tmp_path):
    (tmp_path / FILE).write_bytes(b"no archive")
    odd = replace(checkpoint, size=10, sha256=hashlib.sha256(b"no archive").hexdigest())
    with pytest.raises(ValueError, match=FILE):
        fetch(odd, LocalMirror(tmp_path))
    nothing_is_half_written(checkpoint)


def test_too_little_room_is_said_before_anything_is_downloaded(checkpoint):
    huge = replace(checkpoint, size=10**18)
    with pytest.raises(OSError, match=r"GB left where 2e\+09 GB are needed; free some, or set TTT3R_HOME"):
        fetch(huge, WebMirror("https://example.invalid"))


@pytest.mark.parametrize("while_", ["downloading", "converting"])
def test_a_disk_that_fills_up_is_said_in_one_line(checkpoint, content, network, tmp_path, while_):
    resource = pytest.importorskip("resource")  # the nearest thing to a full disk that a test may make
    (tmp_path / FILE).write_bytes(content)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with serving(Behaviour({f"/{FILE}": content})) as address:
        source = WebMirror(address) if while_ == "downloading" else LocalMirror(tmp_path)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, hard))
        try:
            with pytest.raises(OSError, match=r"free some, or set TTT3R_HOME .* run it again"):
                fetch(checkpoint, source)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        nothing_is_half_written(checkpoint)
        fetch(checkpoint, source)
    assert same(load_network("tiny"), network)


def test_one_at_a_time_and_what_a_kill_left_is_cleared(checkpoint, content, tmp_path):
    (tmp_path / FILE).write_bytes(content)
    left = checkpoint.folder.parent / ".0123456789ab.partial"
    left.mkdir(parents=True)
    with locked(home(), "fetch"), pytest.raises(ValueError, match="another fetch is at work in"):
        fetch(checkpoint, LocalMirror(tmp_path))
    fetch(checkpoint, LocalMirror(tmp_path))
    assert not left.exists()


def test_what_is_not_fetched_names_the_command(checkpoint):
    with pytest.raises(
        FileNotFoundError, match=r"tiny is not in .*run ttt3r fetch tiny --accept-licence \(a licence\)"
    ):
        load_network("tiny")


def test_a_path_of_that_name_wins(checkpoint, network, tmp_path, monkeypatch):
    from ttt3r.network import save_network

    monkeypatch.chdir(tmp_path)
    assert resolve("tiny") == checkpoint.folder
    assert resolve("elsewhere") == Path("elsewhere")
    save_network(network, "tiny")
    assert resolve("tiny").resolve() == tmp_path / "tiny"
    assert same(load_network("tiny"), network)


def test_where_it_is_kept(monkeypatch, tmp_path):
    monkeypatch.delenv("TTT3R_HOME", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    assert home() == tmp_path / "caches/ttt3r"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert home() == tmp_path / ".cache/ttt3r"
    monkeypatch.setenv("TTT3R_HOME", "~/mine")
    assert home() == tmp_path / "mine"


def test_a_home_that_cannot_be_made_is_said(checkpoint, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TTT3R_HOME", str(tmp_path / "file"))
    with pytest.raises(OSError, match="cannot make .*set TTT3R_HOME to a folder of your own"):
        fetch(checkpoint, LocalMirror(tmp_path))


def test_the_source_that_was_named(tmp_path):
    assert source_of(CUT3R_512, None, None) == HubRepository("datasets/zhangify/CUT3R_release")
    assert source_of(CUT3R_512, "me/mine", None) == HubRepository("me/mine")
    assert source_of(CUT3R_512, None, "https://a.b/c") == WebMirror("https://a.b/c")
    assert source_of(CUT3R_512, None, str(tmp_path)) == LocalMirror(tmp_path)
    for repository, mirror, said in (
        ("a/b", "c", "one of them"),
        (None, "ftp://a", "https://"),
        ("a", None, "OWNER/NAME"),
    ):
        with pytest.raises(ValueError, match=said):
            source_of(CUT3R_512, repository, mirror)


class TestHub:
    """The same through huggingface_hub, from a server that speaks as Hugging Face does."""

    @pytest.fixture(autouse=True)
    def hub(self):
        pytest.importorskip("huggingface_hub")

    def test_a_file_at_the_top_or_below_is_found(self, checkpoint, content, network):
        for kind in ("datasets/", ""):
            for place in ("", "weights/"):
                behaviour = Behaviour({f"/{kind}o/n/resolve/main/{place}{FILE}": content})
                with serving(behaviour) as address:
                    fetch(checkpoint, HubRepository(f"{kind or 'models/'}o/n", address), overwrite=True)
                assert same(load_network("tiny"), network)
                assert list(downloads().iterdir()) == []

    def test_a_download_that_was_cut_off_goes_on(self, checkpoint, content, network):
        half = len(content) // 2
        behaviour = Behaviour({f"/datasets/o/n/resolve/main/{FILE}": content}, cut=[half])
        with serving(behaviour) as address:
            with pytest.raises(OSError, match=f"ended after {half} of"):
                fetch(checkpoint, HubRepository("o/n", address))
            fetch(checkpoint, HubRepository("o/n", address))
        assert [first for *_, first in behaviour.asked] == [0, half]
        assert same(load_network("tiny"), network)

    def test_a_wrong_file_is_refused(self, checkpoint, content):
        wrong = {f"/o/n/resolve/main/{FILE}": content[::-1]}
        with serving(Behaviour(wrong)) as address, pytest.raises(ValueError, match="is not the published file"):
            fetch(checkpoint, HubRepository("models/o/n", address))
        nothing_is_half_written(checkpoint)

    def test_a_repository_without_it_is_said(self, checkpoint):
        other = Behaviour({"/datasets/o/n/resolve/main/other.bin": b"x"})
        with serving(other) as address, pytest.raises(OSError, match=r"o/n holds no tiny_4.pth, but other.bin; give"):
            fetch(checkpoint, HubRepository("o/n", address))

    def test_without_network_it_says_where_to_put_the_file(self, checkpoint, monkeypatch):
        with pytest.raises(OSError, match=f"cannot reach http://127.0.0.1:9/datasets/o/n/.*put {FILE}"):
            fetch(checkpoint, HubRepository("o/n", "http://127.0.0.1:9"))
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
        with pytest.raises(OSError, match=f"HF_HUB_OFFLINE is set.*put {FILE}"):
            fetch(checkpoint, HubRepository("o/n", "http://127.0.0.1:9"))
        nothing_is_half_written(checkpoint)


def test_without_the_extra_it_says_how_to_get_it(checkpoint, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "huggingface_hub", None)
    with pytest.raises(ImportError, match=r"pip install 'ttt3r\[hub\]'; or name the file's place with --mirror"):
        fetch(checkpoint, HubRepository("o/n"))


def test_a_record_that_is_damaged_is_said(checkpoint, content, tmp_path):
    (tmp_path / FILE).write_bytes(content)
    fetch(checkpoint, LocalMirror(tmp_path))
    for text in ("{", "[]", json.dumps({"size": "many"})):
        (checkpoint.folder / "source.json").write_text(text)
        with pytest.raises(ValueError, match=r"source.json is not what a network was made of.*fetch it again"):
            FetchedFrom.of(checkpoint.folder)
    shutil.rmtree(checkpoint.folder)
    assert torch.is_tensor(next(fetch_again(checkpoint, tmp_path).parameters()))


def fetch_again(checkpoint, place):
    return load_network(fetch(checkpoint, LocalMirror(place)))
