"""Small runs of an untrained network: what they show is noise, but every file is there."""

import pytest

FRAMES = 7


@pytest.fixture(scope="session")
def runs(tmp_path_factory):
    """A folder with the runs `a` (cut3r) and `b` (ttt3r), both with gains of tokens, and `plain`, a shorter one without."""
    from ttt3r.cli import main

    folder = tmp_path_factory.mktemp("viewer")
    assert main(["data", "demo", str(folder / "sequence"), "--frames", str(FRAMES)]) == 0
    common = [str(folder / "sequence/rgb"), "--network", "tiny-random", "--min-confidence", "1"]
    for name, rule, extra in (
        ("a", "cut3r", ["--record-gains"]),
        ("b", "ttt3r", ["--record-gains"]),
        ("plain", "ttt3r", ["--stop", "4"]),
    ):
        assert main(["run", *common, "--rule", rule, *extra, "--out", str(folder / "runs" / name)]) == 0
    return folder / "runs"


@pytest.fixture(scope="session")
def stage(runs):
    from ttt3r.viewer import SceneStage

    return SceneStage.open([runs / "a", runs / "b"])
