"""What the experiment on procedural worlds gives: scores, answers and books, joined over groups of worlds and passes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ttt3r.evaluation.accounting import GainSummary
from ttt3r.evaluation.forgetting import RecallScores
from ttt3r.evaluation.worlds import WorldScores


@dataclass(frozen=True)
class WorldStudy:
    """Rules on procedural worlds.

    Args:
        scores: errors by rule, length and world.
        asked: answers of the memories, for each length.
        books: gains by rule, for each length; of the first group of worlds where there are several.
    """

    scores: WorldScores
    asked: tuple[RecallScores, ...]
    books: Mapping[str, tuple[GainSummary, ...]]

    @classmethod
    def joined(cls, parts: Sequence["WorldStudy"]) -> "WorldStudy":
        """The same rules and lengths on the worlds of all parts. A part without answers (a single world) adds none."""
        answered = [part.asked for part in parts if part.asked]
        asked = tuple(RecallScores.joined(same) for same in zip(*answered, strict=True))
        return cls(WorldScores.joined([part.scores for part in parts]), asked, parts[0].books)

    def with_rules(self, other: "WorldStudy") -> "WorldStudy":
        """The same worlds with the rules of another pass."""
        pairs = zip(self.asked, other.asked, strict=True)
        asked = tuple(own.with_memories(more) for own, more in pairs)
        return WorldStudy(self.scores.with_rules(other.scores), asked, {**self.books, **other.books})
