import errno
import os
import stat
import subprocess
import sys

import pytest

from ttt3r.files import LOCK, is_partial, locked, read_text, replacing, sheet_cell, write_text


def test_a_file_is_replaced_as_a_whole_or_not_at_all(tmp_path):
    path = tmp_path / "file.npz"
    path.write_text("old")
    with replacing(path) as partial:
        assert (partial.parent, partial.suffix) == (tmp_path, ".npz")
        assert is_partial(partial.name)
        partial.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    with pytest.raises(TypeError), replacing(path) as partial:
        partial.write_text(None)  # pyright: ignore[reportArgumentType]
    assert path.read_text() == "new"
    assert [found.name for found in tmp_path.iterdir()] == ["file.npz"]


@pytest.mark.skipif(os.name == "nt", reason="permissions of POSIX")
@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o002, 0o664), (0o077, 0o600)])
def test_files_get_the_users_umask_whoever_wrote_them(tmp_path, umask, mode):
    before = os.umask(umask)
    try:
        with replacing(tmp_path / "file") as partial:
            partial.unlink()
            os.close(os.open(partial, os.O_CREAT | os.O_WRONLY, 0o600))  # as safetensors does
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == mode


def test_a_name_of_the_greatest_length_can_be_replaced(tmp_path):
    path = tmp_path / ("字" * 83 + ".json")
    with replacing(path) as partial:
        partial.write_text("{}")
    assert path.read_text() == "{}"


def test_one_process_at_a_time_holds_a_folder(tmp_path):
    code = "import sys; from pathlib import Path; from ttt3r.files import locked\n"
    code += "with locked(Path(sys.argv[1]), 'run'): print('held')"

    def other():
        return subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True)

    with locked(tmp_path, "run"), pytest.raises(ValueError, match="another run is at work in"), locked(tmp_path, "run"):
        pass
    with locked(tmp_path, "run"):
        refused = other()
        assert (refused.returncode, "another run is at work in" in refused.stderr) == (1, True)
    assert other().stdout == "held\n"
    assert (tmp_path / LOCK).stat().st_size == 0


@pytest.mark.parametrize("content", [b"\xef\xbb\xbfa\r\nb\r", "\ufeffa\nb\n".encode("utf-16-le"), b"a\nb\n"])
def test_text_of_any_origin(tmp_path, content):
    (tmp_path / "file").write_bytes(content)
    assert read_text(tmp_path / "file") == "a\nb\n"


def test_what_is_no_text_is_named(tmp_path):
    (tmp_path / "file").write_bytes(b"a\xff")
    with pytest.raises(ValueError, match="file is not text in UTF-8 .* at byte 1"):
        read_text(tmp_path / "file")


@pytest.mark.parametrize("answer", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP], ids=errno.errorcode.get)
@pytest.mark.parametrize("left", [False, True], ids=["new", "used before"])
def test_on_a_file_system_without_locks_nothing_is_locked(tmp_path, monkeypatch, recwarn, answer, left):
    fcntl = pytest.importorskip("fcntl")

    def flock(descriptor, operation):
        raise OSError(answer, os.strerror(answer))

    monkeypatch.setattr(fcntl, "flock", flock)
    if left:  # by a process that was killed
        (tmp_path / LOCK).touch()
    with locked(tmp_path, "run"), locked(tmp_path, "run"):
        (tmp_path / "written").touch()
    with locked(tmp_path, "run"):
        pass
    assert not list(recwarn)


@pytest.mark.parametrize("text", ["=1+1", "+a", "-x", "@SUM(A1)", " =1", "\t=1", "\r@x", "--1", "-1;2"])
def test_a_spreadsheet_takes_no_text_for_a_formula(text):
    assert sheet_cell(text) == f"'{text}"


@pytest.mark.parametrize("value", ["room", "a=1", "'=1", "", "-1.5", "+3", "-1e-9", "-inf", -1.5, None])
def test_other_cells_stay_as_they_are(value):
    assert sheet_cell(value) == value


def test_a_text_is_written_whatever_it_holds(tmp_path):
    write_text(tmp_path / "file", "字 \udcff\r\nend\n")
    assert (tmp_path / "file").read_bytes() == "字 \\udcff\r\nend\n".encode()
