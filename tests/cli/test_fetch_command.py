"""`ttt3r fetch` as it is typed: the licence first, then a network that other commands know by its name."""

import hashlib
from dataclasses import replace

import pytest
from file_server import Behaviour, serving
from network.test_checkpoint import write

from ttt3r.cli.choosing import fingerprint
from ttt3r.evaluation.protocols.acceptance import check_checkpoint
from ttt3r.network import CUT3R, CUT3RConfig
from ttt3r.network.published import CUT3R_512, PUBLISHED


@pytest.fixture
def published(here, monkeypatch):
    """A small file under the name of the official one: folder and content."""
    monkeypatch.setenv("TTT3R_HOME", str(here / "home"))
    monkeypatch.setenv("no_proxy", "*")  # the server is on this machine
    path = here / "usb" / CUT3R_512.file
    path.parent.mkdir()
    content = write(path, CUT3R.random(CUT3RConfig.tiny(), seed=3)).read_bytes()
    small = replace(CUT3R_512, size=len(content), sha256=hashlib.sha256(content).hexdigest())
    monkeypatch.setitem(PUBLISHED, "cut3r-512", small)
    return small, content


def test_nothing_happens_before_the_licence_is_accepted(typed, here, published):
    code, said, error = typed("fetch cut3r-512 --mirror usb")
    assert code == 2
    for part in ("CC BY-NC-SA 4.0", "https://creativecommons.org/licenses/by-nc-sa/4.0/", "github.com/CUT3R/CUT3R"):
        assert part in said
    assert error.splitlines()[-1].endswith("accept the licence above with ttt3r fetch cut3r-512 --accept-licence")
    assert not (here / "home").exists()


def test_a_fetched_network_runs_by_its_name(typed, here, published, undrawn):
    small, content = published
    with serving(Behaviour({f"/{small.file}": content})) as address:
        code, said, _ = typed(f"fetch cut3r-512 --accept-licence --mirror {address}")
    assert code == 0
    assert "use it with --network cut3r-512" in said
    code, said, _ = typed("run photos --network cut3r-512 --device cpu --size 64 --out out")
    assert code == 0
    assert "network cut3r-512" in said
    assert fingerprint("cut3r-512") == fingerprint(str(small.folder))


def test_reproduce_and_acceptance_check_the_same_hash(typed, here, published):
    small, _ = published
    typed("fetch cut3r-512 --accept-licence --mirror usb")
    checks = check_checkpoint(small.folder, small)
    assert [(check.what, check.agrees) for check in checks] == [
        ("bytes", True),
        ("SHA-256", True),
        ("weights since", True),
    ]
    assert check_checkpoint(here / "usb" / small.file, small)[1].agrees
    code, _, _ = typed("reproduce cut3r-512 --device cpu --out out")
    assert code == 1  # the small file is not the official one
    text = (here / "out/reproduction.md").read_text()
    assert f"| SHA-256 | {CUT3R_512.sha256} | {small.sha256} | NO |" in text
    assert f"| bytes | 3173761006 | {small.size} | NO |" in text
    with (small.folder / "model.safetensors").open("ab") as file:
        file.write(b"x")
    assert not check_checkpoint(small.folder, small)[2].agrees


def test_a_folder_of_unknown_origin_is_refused(refused, here, published):
    typed_convert = f"convert usb/{CUT3R_512.file} net"
    from ttt3r.cli import main

    assert main(typed_convert.split()) == 0
    assert "does not say which file it was made of" in refused("reproduce net --device cpu --out out")


def test_wrong_words_are_refused_in_one_line(refused, here, published):
    def last(line):
        return refused(f"fetch {line}")

    assert "known are cut3r-512; did you mean cut3r-512?" in last("cut3r512 --accept-licence")
    assert "no file at nowhere" in last("cut3r-512 --accept-licence --mirror nowhere")
    assert "one of them" in last("cut3r-512 --accept-licence --mirror usb --repo a/b")
    assert "run ttt3r fetch cut3r-512 --accept-licence" in refused("run photos --network cut3r-512 --out out")
    (here / "usb" / CUT3R_512.file).write_bytes(b"short")
    assert "has 5 bytes where" in last("cut3r-512 --accept-licence --mirror usb")
