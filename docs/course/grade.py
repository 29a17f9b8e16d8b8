"""Grades a student's file: the laws of every rule in it, and a comparison with the constant of equal mean gain on a few houses.

    python docs/course/grade.py students/ada.py students/bob.py
    python docs/course/grade.py students/*.py --worlds 8 --length 16 --csv grades.csv

Each file runs in a process of its own, in an empty folder, with a time limit: it may crash, hang or print what it likes, and
the grader reports that and goes on (Linux and macOS). **This is no sandbox.** A student's file is run with your rights; grade
where that is acceptable, such as in a container without network.

For each rule of a file: two points if its class can be made without arguments; five for the laws, in proportion to how many
are kept; three for a run on the houses that ends with finite numbers. Two things cap the points at five, half of all: a gain
that is the same whatever is seen, since that is the control and not a rule; and a broken law without which no number of the
rule can be believed, such as one sequence of a batch that changes another. Whether the rule beats its control is *reported and
not graded*: an idea that did not work, honestly measured, is worth the full points.
"""

import argparse
import contextlib
import csv
import json
import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path

LOADS, LAWS, RUNS = 2.0, 5.0, 3.0
"""Points for a rule that can be made, for the laws, and for a run on the houses."""

CAP = 5.0
"""The most for a plain constant, and for a rule that breaks a law on which every number rests."""

WORKER = Path(__file__).with_name("grade_worker.py")


@dataclass(frozen=True)
class Grade:
    """What is said about one rule, or about a file without one.

    Args:
        file: of the student.
        rule: name of the class; empty if none was found.
        points: of `LOADS + LAWS + RUNS`.
        laws: how many of them were kept, as in 13/15; empty if they were not tried.
        control: the rule minus the constant of its mean gain, rotation error in degrees, with its 95 % interval.
        note: what went wrong, in the student's terms.
    """

    file: str
    rule: str = ""
    points: float = 0.0
    laws: str = ""
    control: str = ""
    note: str = ""


def grade_file(path: Path, worlds: int, length: int, seconds: float) -> list[Grade]:
    """Grade every rule that the file defines. Never raises for what the file does.

    Args:
        path: the student's file.
        worlds: houses on which rules are compared.
        length: frames in each.
        seconds: time limit for the whole file.
    """
    nothing = Grade(path.name)
    if not path.is_file():
        return [replace(nothing, note="there is no such file")]
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.jsonl"
        words = [sys.executable, str(WORKER), str(path.resolve()), str(report), str(worlds), str(length)]
        ending = _run(words, Path(folder), seconds)
        grades = [_grade(path, row) for row in _rows(report)]
        if not grades:
            return [replace(nothing, note=ending or "nothing was reported")]
        if ending:
            grades[-1] = replace(grades[-1], note="; ".join(part for part in (grades[-1].note, ending) if part))
        return grades


def _run(words: list[str], folder: Path, seconds: float) -> str:
    """Run a command to its end or to the limit, and end whatever it started; how it ended, empty if well."""
    with (folder / "output.txt").open("w") as stream:
        process = subprocess.Popen(
            words,
            cwd=folder,
            env=_settings(),
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            start_new_session=True,
        )
        try:
            code = process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            return f"stopped after {seconds:.0f} s; is there a loop that does not end?"
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # the session that was started here, and nothing else
            process.wait()
    return "" if code == 0 else f"the process ended with code {code}"


def _settings() -> dict[str, str]:
    """One thread, so that gradings may run side by side; shape checks on."""
    return os.environ | {"OMP_NUM_THREADS": "1", "TTT3R_TYPECHECK": "1"}


def _rows(report: Path) -> list[dict[str, object]]:
    """The last line about each rule; a line that was cut off by the end of the process is left out."""
    rows: dict[str, dict[str, object]] = {}
    for line in report.read_text(errors="replace").splitlines() if report.exists() else []:
        try:
            row = json.loads(line)
        except json.JSONDecodeError:
            continue
        if isinstance(row, dict):
            rows[str(row.get("rule", ""))] = row
    return list(rows.values())


def _grade(path: Path, row: dict[str, object]) -> Grade:
    """From what the worker saw to points."""
    kept, tried = int(str(row.get("kept", 0))), int(str(row.get("laws", 0)))
    points = (
        (LOADS if row.get("made") else 0.0)
        + (LAWS * kept / tried if tried else 0.0)
        + (RUNS if row.get("ran") else 0.0)
    )
    caps = _caps(row)
    note = "; ".join(part for part in (*caps, str(row.get("note", ""))) if part)
    return Grade(
        path.name,
        str(row.get("rule", "")),
        round(min(points, CAP) if caps else points, 1),
        f"{kept}/{tried}" if tried else "",
        str(row.get("control", "")),
        " ".join(note.split())[:1000],
    )


def _caps(row: dict[str, object]) -> list[str]:
    """Why a rule gets no more than `CAP`, in the student's terms."""
    found: list[str] = []
    grave = row.get("grave")
    if isinstance(grave, list) and grave:
        found.append(f"at most {CAP:g} points, since its numbers cannot be believed: {', '.join(map(str, grave))}")
    if row.get("depends") is False:
        found.append(f"at most {CAP:g} points for a gain that is the same whatever is seen: that is the control")
    return found


def main(arguments: list[str] | None = None) -> int:
    """Print one line for each rule and, if asked to, write a table. Always ends with 0: it reports."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("files", nargs="+", type=Path, help="files of students")
    parser.add_argument("--worlds", type=int, default=6, help="houses for the comparison; at least 2")
    parser.add_argument("--length", type=int, default=16, help="frames in each; at least 2")
    parser.add_argument("--seconds", type=float, default=180, help="time limit for a file")
    parser.add_argument("--csv", type=Path, help="write a table here")
    settings = parser.parse_args(arguments)
    if settings.worlds < 2 or settings.length < 2 or settings.seconds <= 0:
        parser.error("--worlds and --length must be at least 2, --seconds above 0")
    grades: list[Grade] = []
    for path in settings.files:
        for grade in grade_file(path, settings.worlds, settings.length, settings.seconds):
            grades.append(grade)
            print(f"{grade.file} {grade.rule or '-'}: {grade.points:g} of {LOADS + LAWS + RUNS:g}")
            for name, value in (("laws", grade.laws), ("minus its control", grade.control), ("note", grade.note)):
                if value:
                    print(f"  {name}: {value}")
    if settings.csv is not None:
        with settings.csv.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, fieldnames=list(asdict(Grade("")).keys()))
            writer.writeheader()
            writer.writerows(asdict(grade) for grade in grades)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
