"""What each process of `test_two_processes.py` does: two evaluations, one after the other, in whatever processes there are.

    python -m torch.distributed.run --nproc-per-node 2 tests/one_of_several.py FOLDER [DIE]

With DIE, the second process kills itself in the middle of its second sequence.
"""

import os
import signal
import sys
from pathlib import Path

from ttt3r.data import Clip, ResizePolicy
from ttt3r.evaluation.engine.contenders import Contender
from ttt3r.evaluation.engine.distributed import Processes, evaluate_together
from ttt3r.evaluation.engine.evaluator import Evaluation
from ttt3r.evaluation.protocols.base import Protocol
from ttt3r.evaluation.protocols.sources import ProceduralWorlds
from ttt3r.network import CUT3R, CUT3RConfig
from ttt3r.update_rules import RULES


def dying(worlds: ProceduralWorlds, root: Path, sequence: str, policy: ResizePolicy, frames: int | None) -> Clip:
    """Open a world; one of them ends the process that opens it, without a word."""
    if sequence == "world-003":
        os.kill(os.getpid(), signal.SIGKILL)
    return opened(worlds, root, sequence, policy, frames)


opened = ProceduralWorlds.open


def evaluation(count: int) -> Evaluation:
    protocol = Protocol("test", "worlds", ProceduralWorlds(count=count), lengths=(2, 4))
    rules = tuple(Contender(name, RULES[name]()) for name in ("cut3r", "ttt3r"))
    return Evaluation(protocol, Path(), rules, "a network", controls=True)


def network() -> CUT3R:
    return CUT3R.random(CUT3RConfig.tiny(), seed=1)


if __name__ == "__main__":
    if sys.argv[2:] == ["DIE"]:
        setattr(ProceduralWorlds, "open", dying)  # noqa: B010 (as a test would, but in a process of its own)
    for number in (7, 3):
        evaluate_together(network(), evaluation(number), Path(sys.argv[1]) / str(number), Processes.launched("cpu"))
