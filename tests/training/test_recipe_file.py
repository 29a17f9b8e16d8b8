"""Recipes as YAML: what is read, what is written, and what is said of a file that is none."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from test_training import MICRO, recipe

from ttt3r.data.procedural import NANO_WORLD, find_world
from ttt3r.training import LossWeights, Recipe, RuleMix, Stage, WorldMix, find_recipe, first_nano_recipe, train
from ttt3r.training.fitting import Machine
from ttt3r.training.recipe_file import NAME, read_recipe, recipe_text
from ttt3r.update_rules import FullOverwrite

GUIDE = Path(__file__).parents[2] / "docs/how-to/train.md"
GOOD = "stages:\n- steps: 2\n  frames: [2, 3]\n"


def written(folder, text):
    (folder / "own.yaml").write_text(text)
    return folder / "own.yaml"


def test_the_example_of_the_guide(tmp_path):
    (text,) = re.findall(r"```yaml\n(.*?)```", GUIDE.read_text(), flags=re.DOTALL)
    found = read_recipe(written(tmp_path, text))
    loss = LossWeights(rotation=6.0, translation=12.0, color=4.0)
    rules = RuleMix((("cut3r", 0.5), ("ttt3r", 0.25), ("constant:rate=0.3", 0.25)), pose_damped=0.5)
    worlds = WorldMix((("video", 1.0), ("room", 0.5)), (0.25, 1.0))
    assert found == Recipe(
        stages=(
            Stage(500, (2, 4), questions=1, batch=12, world=NANO_WORLD, known_cameras=0.5),
            Stage(2500, (3, 12), 1, 16, worlds, loss=loss, rules=rules, read_share=0.25),
        ),
        seed=1,
        learning_rate=1e-3,
        warmup=100,
    )


@pytest.mark.parametrize("name", ["nano", "nano_first", "mixed"])
def test_what_the_package_brings_is_read_and_written(tmp_path, name):
    found = find_recipe(name)
    text = recipe_text(found)
    assert text is not None
    assert read_recipe(written(tmp_path, text)) == found


def test_the_recipe_of_the_bundled_network_stays():
    """As its model card tells it."""
    found = first_nano_recipe(3)
    assert [(stage.steps, stage.frames, stage.batch, stage.known_cameras) for stage in found.stages] == [
        (700, (2, 3), 12, 0.5),
        (1600, (3, 5), 10, 0.3),
        (3400, (4, 8), 8, 0.15),
        (6000, (4, 8), 12, 0.1),
        (2000, (4, 8), 24, 0.05),
    ]
    assert found.stages[0].world == find_world("bold")
    assert found.stages[-1].world == NANO_WORLD
    assert found.stages[-1].loss == LossWeights(0.2, 12.0, 6.0, 4.0, 0.03, 2.0, 0.25)
    assert (found.seed, found.learning_rate, found.matrix_rate, found.warmup, found.average, found.flat) == (
        *(3, 2e-3, 1e-2, 100, 0.999, 0.0),
    )
    assert found.rules == ()
    assert all(stage.read_share == 1.0 for stage in found.stages)


def test_a_training_writes_its_recipe_beside_the_network(tmp_path):
    plan = recipe(1)
    named = replace(plan, stages=(replace(plan.stages[0], world=WorldMix((("simple", 1.0),)), batch=2, frames=(2, 2)),))
    train(MICRO, FullOverwrite(), named, tmp_path / "named", Machine(0))
    assert read_recipe(tmp_path / "named" / NAME) == named
    assert recipe_text(plan) is None  # its world has no name


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must hold lines"),
        ("- 1\n", "must hold lines"),
        ("a: [\n", "is no YAML file of a recipe"),
        ("seed: 1\n", "stages must be a list of stages"),
        ("stages: []\n", "stages must be a list of stages"),
        ("stages: {steps: 3}\n", "stages must be a list of stages"),
        ("stages: [3]\n", "stage 1 must hold lines"),
        (GOOD + "  wrold: tour\n", "stage 1: there is no setting 'wrold'; did you mean world?"),
        (GOOD + "sed: 3\n", "there is no setting 'sed'; did you mean seed?"),
        (GOOD + "seed: -1\n", "seed=-1 must be a whole number"),
        (GOOD + "seed: 1\nseed: 2\n", "seed stands there twice"),
        (GOOD + "learning_rate: fast\n", "learning_rate: .*float.*fast"),
        (GOOD + "flat: 2\n", "flat=2.0"),
        ("stages:\n- frames: [2, 3]\n", "stage 1: .*steps"),
        ("stages:\n- steps: 3\n", "stage 1: .*frames"),
        ("stages:\n- steps: many\n  frames: [2, 3]\n", "stage 1: steps: .*int.*many"),
        ("stages:\n- steps: true\n  frames: [2, 3]\n", "stage 1: steps: .*int"),
        ("stages:\n- steps: 2.5\n  frames: [2, 3]\n", "stage 1: steps: .*int"),
        ("stages:\n- steps: 2\n  frames: [3, 2]\n", "stage 1: clip lengths must be"),
        ("stages:\n- steps: 2\n  frames: 3\n", "stage 1: frames: .*tuple"),
        (GOOD + "- {steps: 0, frames: [2, 3]}\n", "stage 2: a stage needs steps"),
        (GOOD + "  world: vido\n", "stage 1: no world 'vido'; did you mean video?"),
        (GOOD + "  world: {vido: 1}\n", "stage 1: no world 'vido'"),
        (GOOD + "  world: {video: 0}\n", "stage 1: worlds need names with weights above 0"),
        (GOOD + "  world: {video: often}\n", "stage 1: world: .*often"),
        (GOOD + "  world: {}\n", "stage 1: worlds need names"),
        (GOOD + "  world: 3\n", "stage 1: world: .*3"),
        (GOOD + "  speed: fast\n", "stage 1: speed: .*fast"),
        (GOOD + "  speed: [1.0, 0.25]\n", "stage 1: speed factor"),
        (GOOD + "  speed: 0\n", "stage 1: speed factor"),
        (GOOD + "  rules: {ttt4r: 1}\n", "stage 1: .*ttt4r"),
        (GOOD + "  rules: {'constant:rate=7': 1}\n", "stage 1: .*rate"),
        (GOOD + "  rules: {cut3r: .inf}\n", "stage 1: rules need names"),
        (GOOD + "  pose_damped: 0.5\n", "stage 1: pose_damped=0.5 goes with `rules`"),
        (GOOD + "  rules: cut3r\n  pose_damped: 2\n", "stage 1: pose_damped=2.0 is a share"),
        (GOOD + "  read_share: 0\n", "stage 1: read_share=0.0"),
        (GOOD + "  loss: {rotate: 1}\n", "stage 1: .*rotate"),
        (GOOD + "  loss: {rotation: -1}\n", "stage 1: weights of losses"),
        (GOOD + "  loss: 3\n", "stage 1: .*loss"),
        (GOOD + "  rules: {3: 1}\n", "3 is no name of a setting"),
    ],
)
def test_a_file_that_is_no_recipe_is_named_with_the_key_in_one_line(tmp_path, text, message):
    path = written(tmp_path, text)
    with pytest.raises(ValueError, match=message) as found:
        read_recipe(path)
    said = str(found.value)
    assert said.startswith(str(path))
    assert "\n" not in said


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere.yaml is no recipe; give a YAML file, or one of mixed, nano"):
        find_recipe(tmp_path / "nowhere.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\x00\xfe\x80")
    with pytest.raises(ValueError, match="not text in UTF-8"):
        find_recipe(tmp_path / "binary.yaml")


def test_a_folder_goes_on_by_its_own_recipe_only(tmp_path):
    plan = recipe(1)
    train(MICRO, FullOverwrite(), plan, tmp_path, Machine(0))
    with pytest.raises(
        ValueError, match=r"another recipe or seed; go on by its own \(--recipe nano_first\), or choose"
    ):
        train(MICRO, FullOverwrite(), replace(plan, seed=1), tmp_path, Machine(0))
