"""Tries the exercises of a tutorial: what is printed in it must fail, and the solution must pass.

    python tutorials/try_solutions.py tutorials/02_memory_as_fast_weights.py

Runs the tutorial and then, on top of what it defined, `tutorials/solutions/NN.py`, which has a new version of the function of
each exercise. An exercise is a function or class `name` in the tutorial with a function `check_name` that returns "right" or
says "not yet: ..." and why. The folder of the solutions is also where a teacher looks; students are asked not to.
"""

import argparse
import runpy
from pathlib import Path

CHECK = "check_"


def try_solutions(tutorial: Path) -> dict[str, tuple[str, str]]:
    """By exercise: what the check says to the version in the tutorial, and to the solution."""
    made = runpy.run_path(str(tutorial))
    number = tutorial.stem.partition("_")[0]
    solved = runpy.run_path(str(tutorial.parent / "solutions" / f"{number}.py"), init_globals=made)
    names = [name.removeprefix(CHECK) for name in made if name.startswith(CHECK)]
    return {name: (made[CHECK + name](made[name]), made[CHECK + name](solved[name])) for name in names}


def main() -> int:
    """Print the answers; 1 if a stub passes or a solution fails, or if there are not at least two exercises."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("tutorial", type=Path)
    answers = try_solutions(parser.parse_args().tutorial)
    for name, (stub, solution) in answers.items():
        print(f"{name}: as printed: {stub} | solution: {solution}")
    good = all(stub.startswith("not yet") and solution == "right" for stub, solution in answers.values())
    return 0 if good and len(answers) >= 2 else 1


if __name__ == "__main__":
    raise SystemExit(main())
