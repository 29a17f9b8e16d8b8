"""Published numbers as data.

`paper.csv` holds every row of the tables that contain CUT3R and TTT3R: what the authors printed (`paper`), what others
found with the same scripts or repeated in their papers (`rerun`), and lines of the authors' logs (`log`). They were copied
as printed and not checked against runs. Lengths in metres, angles in degrees, thresholds as fractions.
"""

import csv
import functools
import re
from dataclasses import dataclass
from importlib import resources

PAPER, RERUN, LOG = "paper", "rerun", "log"


@dataclass(frozen=True)
class PublishedValue:
    """One number that somebody printed.

    Args:
        method: as the source calls it.
        rule: the label that it has here; empty for methods that are not rules of this package.
        protocol: name. `unstated` stands where the source does not say enough.
        length: frames; 0 for whole sequences, or all that the protocol selects.
        sequence: name; empty for the number of the whole data set.
        metric: name, as in the rows of an evaluation.
        statistic: over sequences: `mean`, `median`, `mean of a part`; `value` for a single sequence.
        value: the number.
        kind: `paper`, `rerun` or `log`.
        source: who printed it.
        place: table or section.
        remark: what has to be known beside it.
    """

    method: str
    rule: str
    protocol: str
    length: int
    sequence: str
    metric: str
    statistic: str
    value: float
    kind: str
    source: str
    place: str
    remark: str

    @property
    def key(self) -> tuple[str, int]:
        """See `protocol_key`."""
        return protocol_key(self.protocol, self.length)


def protocol_key(protocol: str, length: int) -> tuple[str, int]:
    """What makes numbers comparable: the protocol without its number of frames, and the frames that are judged.

    One run at 1,000 frames serves all shorter lengths, so `tum/1000` judged at 90 frames is `tum/90`; `tum/stride3-90` is not.
    Length 0 (whole sequences) means the number in the name, if there is one after `/` or `-`.
    """
    found = re.fullmatch(r"(.*[/-])(\d+)", protocol)
    return (found[1], length or int(found[2])) if found else (protocol, length)


@functools.cache
def published_values() -> tuple[PublishedValue, ...]:
    """All numbers of `paper.csv`, in its order."""
    text = resources.files("ttt3r.evaluation.protocols").joinpath("paper.csv").read_text(encoding="utf-8")
    made = []
    for line in csv.DictReader(text.splitlines()):
        words = {name: line[name] for name in line if name not in ("length", "value")}
        made.append(PublishedValue(**words, length=int(line["length"]), value=float(line["value"])))
    return tuple(made)
