"""Recipes as YAML files: written by hand, beside each network that was made so, and those that the package brings."""

import difflib
from dataclasses import MISSING, asdict, dataclass, fields
from pathlib import Path
from typing import Any

import yaml
from jsonargparse import ArgumentError, ArgumentParser

from ttt3r.data.procedural import WORLDS, WorldConfig, find_world
from ttt3r.files import read_yaml, replacing
from ttt3r.training.drawing import RuleMix, WorldMix
from ttt3r.training.losses import LossWeights
from ttt3r.training.recipe import Recipe, Stage

NAME = "recipe.yaml"
"""The file beside a network."""
_BROUGHT = Path(__file__).parent / "recipes"


@dataclass(frozen=True, kw_only=True)
class StageText:
    """A `Stage` as it is written: worlds and rules by name, one or several with weights."""

    steps: int
    frames: tuple[int, int]
    questions: int = 0
    batch: int = 32
    world: str | dict[str, float] = "tour"
    speed: float | tuple[float, float] = 1.0
    rules: str | dict[str, float] | None = None
    pose_damped: float = 0.0
    read_share: float = 1.0
    known_cameras: float = 0.0
    loss: LossWeights = LossWeights()

    def stage(self) -> Stage:
        """The stage."""
        if self.rules is None and self.pose_damped:
            raise ValueError(f"pose_damped={self.pose_damped} goes with `rules`; name them, e.g. rules: {{ttt3r: 1}}")
        rules = None if self.rules is None else RuleMix(_weights(self.rules), self.pose_damped)
        speed = self.speed if isinstance(self.speed, tuple) else (self.speed, self.speed)
        plain = isinstance(self.world, str) and speed == (1.0, 1.0)
        world = find_world(str(self.world)) if plain else WorldMix(_weights(self.world), speed)
        return Stage(
            self.steps,
            self.frames,
            self.questions,
            self.batch,
            world,
            self.known_cameras,
            self.loss,
            rules,
            self.read_share,
        )

    @classmethod
    def of(cls, stage: Stage) -> "StageText":
        """A stage as it is written.

        Raises:
            ValueError: if its world has no name.
        """
        world, speed, rules = stage.world, (1.0, 1.0), stage.rules
        if isinstance(world, WorldConfig):
            names = [name for name, known in WORLDS.items() if known == world]
            if not names:
                raise ValueError("a world without a name cannot be written into a recipe")
            named: str | dict[str, float] = names[0]
        else:
            named, speed = dict(world.weights), world.speed
        return cls(
            steps=stage.steps,
            frames=stage.frames,
            questions=stage.questions,
            batch=stage.batch,
            world=named,
            speed=speed,
            rules=None if rules is None else dict(rules.weights),
            pose_damped=0.0 if rules is None else rules.pose_damped,
            read_share=stage.read_share,
            known_cameras=stage.known_cameras,
            loss=stage.loss,
        )


def find_recipe(name: str | Path) -> Recipe:
    """The recipe that the package brings by that name, or the one in that file.

    Raises:
        OSError: if there is no such file.
        ValueError: if it is no recipe; names the file, the key and the cure.
    """
    brought = {path.stem: path for path in sorted(_BROUGHT.glob("*.yaml"))}
    if str(name) in brought:
        return read_recipe(brought[str(name)])
    path = Path(name)
    if not path.is_file():
        like = difflib.get_close_matches(path.stem, brought, n=1)
        hint = f"; did you mean {like[0]}?" if like else ""
        kind = "is a folder, not a recipe" if path.is_dir() else "is no recipe"
        raise FileNotFoundError(f"{path} {kind}{hint}; give a YAML file, or one of {', '.join(brought)}")
    return read_recipe(path)


def read_recipe(path: Path) -> Recipe:
    """The recipe in a YAML file.

    Raises:
        OSError: if there is no such file.
        ValueError: if it is no recipe; names the file, the key and the cure.
    """
    found = read_yaml(path, "a recipe")
    if not isinstance(found, dict):
        raise ValueError(f"{path} is no recipe: it must hold lines `name: value` and `stages`, got {found!r:.80}")
    written = found.pop("stages", None)
    if not isinstance(written, list) or not written:
        raise ValueError(f"{path}: stages must be a list of stages, each after `- `, got {written!r:.80}")
    whole = _parsed(Recipe, found, f"{path}", "stages")
    stages: list[Stage] = []
    for number, one in enumerate(written, 1):
        where = f"{path}: stage {number}"
        if not isinstance(one, dict):
            raise ValueError(f"{where} must hold lines `name: value`, got {one!r:.80}")
        text = _parsed(StageText, one, where)
        try:
            stages.append(StageText(**text).stage())
        except (ValueError, TypeError) as error:
            raise ValueError(f"{where}: {error}") from error
    try:
        return Recipe(tuple(stages), **whole)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def recipe_text(recipe: Recipe) -> str | None:
    """A recipe as YAML, from which `read_recipe` makes the same; `None` if one of its worlds has no name."""
    try:
        stages = [StageText.of(stage) for stage in recipe.stages]
    except ValueError:
        return None
    return yaml.safe_dump(_plain(recipe) | {"stages": [_plain(stage) for stage in stages]}, sort_keys=False, width=100)


def write_recipe(recipe: Recipe, folder: Path) -> None:
    """Write a recipe beside the network that it makes, if it can be written."""
    text = recipe_text(recipe)
    if text is not None:
        with replacing(folder / NAME) as partial:
            partial.write_text("# The recipe of this training, for `ttt3r train --recipe`.\n" + text, encoding="utf-8")


def _parsed(kind: type[Recipe | StageText], found: dict[str, Any], where: str, *apart: str) -> dict[str, Any]:
    """The settings of a dataclass, checked by jsonargparse, but for those that are read apart; its messages in one line."""
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(kind, skip={*apart})
    names = [field.name for field in fields(kind)]
    for name in found:
        if name not in names:
            like = difflib.get_close_matches(name, names, n=1)
            hint = f"did you mean {like[0]}?" if like else f"there are {', '.join(names)}"
            raise ValueError(f"{where}: there is no setting {name!r}; {hint}")
        if name == "loss" and not isinstance(found[name], dict):
            raise ValueError(
                f"{where}: loss must hold weights by name, such as {{rotation: 6}}, got {found[name]!r:.80}"
            )
    try:
        return vars(parser.instantiate(parser.parse_object(found)))
    except (ArgumentError, ValueError, TypeError) as error:
        raise ValueError(f"{where}: {_short(error)}") from error


def _short(error: Exception) -> str:
    """A message of jsonargparse in one line of plain words."""
    lines = [line.strip() for line in str(error).splitlines()]
    key = lines[0].partition('"')[2].partition('"')[0]
    if not lines[0].startswith("Parser key") or not key:
        return " ".join(lines)
    given = next((line.partition(":")[2].strip() for line in lines if line.startswith("Given value:")), "")
    wanted = [line.removeprefix("- ") for line in lines if line.lstrip("- ").startswith("Expected")]
    text = " or ".join(one.replace("<class '", "").replace("'>", "") for one in wanted) or " ".join(lines[1:])
    return f"{key}: {text}" + (f"; got {given}" if given else "")


def _plain(text: Recipe | StageText) -> dict[str, Any]:
    """The settings that differ from their defaults, in types that YAML has; without the stages of a recipe."""
    defaults = {field.name: field.default for field in fields(text) if field.default is not MISSING}
    found: dict[str, Any] = {}
    for name, value in asdict(text).items():
        given = getattr(text, name)
        if name == "stages" or (name in defaults and given == defaults[name]):
            continue
        if isinstance(given, LossWeights):
            usual = asdict(LossWeights())
            value = {key: weight for key, weight in value.items() if weight != usual[key]}
        found[name] = [*value] if isinstance(value, tuple) else value
    if found.get("speed") == [1.0, 1.0]:
        del found["speed"]
    return found


def _weights(named: str | dict[str, float]) -> tuple[tuple[str, float], ...]:
    return ((named, 1.0),) if isinstance(named, str) else tuple(named.items())
