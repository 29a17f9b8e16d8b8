"""What `ttt3r compare` takes, on sequences and on worlds."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from ttt3r.cli.choosing import InputSettings
from ttt3r.cli.options import Option
from ttt3r.data.procedural import WORLDS
from ttt3r.evaluation.worlds.study import WorldPlan


@dataclass(frozen=True, kw_only=True)
class CompareSettings(InputSettings):
    """What `ttt3r compare` takes."""

    path: Annotated[
        tuple[str, ...],
        Option(
            "folders of sequences with ground truth; or the word worlds, for held-out worlds; with --against, of results",
            positional=True,
        ),
    ]
    rules: Annotated[
        str,
        Option(
            "rules by name, with settings and resets if you like: cut3r,ttt3r,ttt3r@100,constant:rate=0.1,my_lab.MyRule"
        ),
    ] = "cut3r,ttt3r,constant,frozen"
    lengths: Annotated[str, Option("judge the first n frames: 50,100,500 (default: all; worlds 8,16,32,64)")] = ""
    out: Annotated[Path | None, Option("folder of comparison.csv, pictures and trajectories")] = None
    controls: Annotated[
        bool,
        Option("run a second pass with the constant of equal mean gain for every gate; on worlds, with all controls"),
    ] = False
    against: Annotated[
        Literal["paper"] | None,
        Option("set results of `ttt3r evaluate`, in the folders named, beside published numbers"),
    ] = None
    chunk: Annotated[int, Option("frames that go through the network together")] = 1
    worlds: Annotated[int, Option("with `compare worlds`: how many")] = WorldPlan.worlds
    world: Annotated[str, Option(f"with `compare worlds`: which ({', '.join(WORLDS)})")] = "video"
    speed: Annotated[float, Option("with `compare worlds`: filmed at so many times its speed")] = WorldPlan.speed
    overwrite: Annotated[bool, Option("replace an older comparison in the folder")] = False
