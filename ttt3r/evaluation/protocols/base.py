"""A protocol: everything that decides a number, as one frozen object with a name and a hash."""

from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path

from ttt3r.data import CropToPatches, ResizePolicy
from ttt3r.evaluation.measures.metric import Metric
from ttt3r.evaluation.protocols.sources import SequenceEntry, SequenceSource
from ttt3r.evaluation.results.canonical import stable_hash
from ttt3r.evaluation.tasks.base import Task, outputs_of
from ttt3r.evaluation.tasks.cameras import CameraTask
from ttt3r.evaluation.tasks.depth import DepthTask
from ttt3r.evaluation.tasks.gains import GainTask
from ttt3r.types import Outputs
from ttt3r.update_rules.resets import Never, ResetPolicy


@dataclass(frozen=True)
class Protocol:
    """What is evaluated, and how. Two protocols with one hash give comparable numbers; the rows carry the hash.

    Args:
        name: for tables, e.g. `tum/1000`; part of the hash.
        dataset: for tables.
        source: the sequences and the choice of frames.
        sequences: which of them, by name or pattern (`fr3_*`); none means all.
        lengths: prefixes that are judged, in frames; none means each sequence as a whole, and rows of length 0. A length is a
            cap: a shorter sequence is judged at its own length, with status `TOO_SHORT`.
        policy: how images are prepared.
        reset: when memories restart; rules may bring their own.
        tasks: what is measured.

    Raises:
        ValueError: if a length is below 2, no task is given, or two numbers have one name.
    """

    name: str
    dataset: str
    source: SequenceSource
    sequences: tuple[str, ...] = ()
    lengths: tuple[int, ...] = ()
    policy: ResizePolicy = field(default=CropToPatches(512))
    reset: ResetPolicy = field(default=Never())
    tasks: tuple[Task, ...] = (CameraTask(), DepthTask(), GainTask())

    def __post_init__(self) -> None:
        if self.lengths and min(self.lengths) < 2:
            raise ValueError(f"a trajectory needs at least 2 frames, got the lengths {list(self.lengths)}")
        if not self.tasks:
            raise ValueError(f"protocol {self.name} measures nothing; give at least one task, e.g. CameraTask()")
        object.__setattr__(self, "lengths", tuple(sorted(set(self.lengths))))
        for task in self.tasks:
            if named := [metric for metric in task.metrics if not isinstance(metric, Metric)]:
                raise ValueError(
                    f"{type(task).__name__} names {named[0]!r} and must declare it: Metric({named[0]!r}, ...)"
                )
        names = [metric.name for metric in self.metrics]
        if twice := [name for name in names if names.count(name) > 1]:
            raise ValueError(f"protocol {self.name} measures two numbers called {twice[0]!r}; give each its own name")

    @cached_property
    def hash(self) -> str:
        """SHA-256 of all settings."""
        return stable_hash(self)

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """How its numbers are read, as its tasks declare."""
        return tuple(metric for task in self.tasks for metric in task.metrics)

    @property
    def frames(self) -> int | None:
        """How many frames are run: the largest length; `None` for whole sequences."""
        return max(self.lengths, default=None)

    @property
    def outputs(self) -> Outputs:
        """Which heads are needed."""
        return outputs_of(self.tasks)

    def find(self, root: Path) -> tuple[SequenceEntry, ...]:
        """The sequences below a root, sorted by name. One that is named but missing is listed: it becomes a named failure.

        Raises:
            FileNotFoundError: if there is no such folder.
            ValueError: if there is no sequence, or none fits a pattern.
        """
        found = {entry.name: entry for entry in self.source.find(root)}
        if not found:
            names = ", ".join(self.source.expected[:4])
            wanted = f", which expects folders such as {names}" if names else ""
            raise ValueError(
                f"no sequence with ground truth in {root} for {self.name}{wanted}; ttt3r data check {root} says what is there"
            )
        if not self.sequences:
            return tuple(found[name] for name in sorted(found))
        chosen: dict[str, SequenceEntry] = {}
        for pattern in self.sequences:
            fitting = [name for name in found if fnmatchcase(name, pattern)]
            if not fitting and any(mark in pattern for mark in "*?["):
                raise ValueError(f"no sequence in {root} fits {pattern!r}; found {', '.join(sorted(found)[:8])}")
            chosen |= {name: found[name] for name in fitting} or {pattern: SequenceEntry(pattern, pattern)}
        return tuple(chosen[name] for name in sorted(chosen))

    def sized(self, size: int) -> "Protocol":
        """The same with images of this long side, for a network of another size; another hash unless nothing changes."""
        return replace(self, policy=replace(self.policy, size=size))
