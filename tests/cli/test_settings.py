"""Settings are taken as they are written or refused: on the command line, in files, in rules."""

import pytest
import yaml
from jsonargparse import ArgumentParser

from ttt3r.cli.bounds import BOUNDS, Bound, bound_of
from ttt3r.cli.main import COMMANDS, read

EVALUATE = "evaluate worlds --network tiny-random --out out"


@pytest.fixture
def settled(here, refused):
    """Evaluate with a file of settings that must be refused; the line."""

    def run(text):
        (here / "settings.yaml").write_text(text)
        return refused(f"{EVALUATE} --config settings.yaml")

    return run


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("controls: 'false'", "controls is a switch: write true or false, without quotes, got 'false'"),
        ("controls: 0", "controls is a switch"),
        ("controls: null", "controls is a switch"),
        ("processes: -3", "processes must be a whole number of at least 1, got -3"),
        ("processes: '2'", "without quotes, got '2'"),
        ("processes: true", "got True"),
        ("processes: .inf", "got inf"),
        ("size: .nan", "got nan"),
        ("reset_every: 0", "reset_every must be a whole number of at least 1"),
        ("jobs: {cpus: 0}", "jobs.cpus must be a whole number of at least 1"),
        ("rules: cut3r\nrules: ttt3r", "rules stands there twice; leave one of them out (line 2)"),
        ("jobs:\n  count: 0\n  count: 1", "count stands there twice; leave one of them out (line 3)"),
        ("prcesses: 3", "there is no setting 'prcesses'; did you mean processes?"),
        ("reset-every: 3", "did you mean reset_every?"),
        ("jobs: {cont: 3}", "there is no setting 'jobs.cont'; did you mean jobs.count?"),
        ("jobs: 3", "jobs has settings of its own"),
        ("rules: [cut3r, ttt3r]", "rules is a text"),
        ("lengths: 50", "lengths is a text: write it on one line, numbers in quotes, got 50"),
        ("grid: rule.rate=0.1", "grid is a list of texts"),
        ("root: 3", "root is a text"),
        ("3: 4", "3 is no name of a setting (line 1)"),
        ("- rules", "must hold settings as lines"),
        ("", "must hold settings as lines"),
        ("rules: [", "is no YAML file of settings"),
    ],
)
def test_a_file_of_settings_is_taken_as_written_or_refused(settled, here, text, message):
    said = settled(text)
    assert message in said
    assert "settings.yaml" in said
    assert not (here / "out").exists()


def test_a_file_is_read_and_the_command_line_wins(here):
    settings = {
        "rules": "frozen",
        "controls": True,
        "size": 32,
        "grid": ["reset=2"],
        "jobs": {"count": 2},
        "root": "no",
    }
    (here / "settings.yaml").write_bytes(b"\xef\xbb\xbf" + yaml.safe_dump(settings).replace("\n", "\r\n").encode())
    found = read(["evaluate", "--rules", "cut3r", "--config", "settings.yaml", "--jobs.cpus", "3"]).evaluate
    assert (found.rules, found.controls, found.size, found.grid) == ("cut3r", True, 32, ["reset=2"])
    assert (found.jobs.count, found.jobs.cpus, str(found.root)) == (2, 3, "no")
    (here / "settings.yaml").write_text("controls: false")
    assert not read(["evaluate", "--config", "settings.yaml"]).evaluate.controls


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("compare worlds --rules cut3r --rules ttt3r", "--rules is given twice (cut3r and ttt3r); give it once"),
        ("compare worlds --worlds=2 --worlds 3", "--worlds is given twice (2 and 3)"),
        ("compare worlds --controls --controls", "--controls is given twice"),
        ("run photos --out o --rule constant --rule.rate .1 --rule.rate .2", "--rule.rate is given twice (.1 and .2)"),
        ("run photos --out o --rule ttt3r --rule=cut3r", "--rule is given twice"),
        (f"{EVALUATE} --jobs.count 1 --jobs.count=2", "--jobs.count is given twice"),
        (f"{EVALUATE} --config a.yaml --config b.yaml", "--config is given twice"),
        (f"{EVALUATE} --protocol folder", "two protocols are named, worlds and folder"),
        ("compare worlds --rules constant:rate=.1:rate=.2", "gives rate twice"),
        ("compare worlds --rules constant:rate=.1,rate=.2", "joined by colons"),
        (f"{EVALUATE} --rules constant --grid rule.rate=.1 --grid rule.rate=.2", "gives rate twice"),
        ("compare worlds --rules constant:rat=.1", "constant has no setting 'rat'; did you mean rate?"),
        ("compare worlds --rules constant:.1", "constant has no setting '.1'"),
        ("compare worlds --rules learned_token:weights=a,b.st", "put that value in quotes"),
        ("compare worlds --rules cut3r,ttt3r@x", "after @ stands every how many frames"),
        ("run photos --out o --rule ttt3r@8", "leave the reset out, and see --reset-every"),
        ("run photos --out o --rule constant:rate=.1 --rule.rate=.2", "--rule.rate is given twice (.1 and .2)"),
        ("run photos --out o --rule scale", "scale needs rule"),
        ("compare worlds --rules ttsa3r:threshold=.nan", "threshold must be at least 0 and finite, got nan"),
        ("run photos --out o --rule ttsa3r --rule.threshold .nan", "threshold must be at least 0 and finite, got nan"),
        ("run photos --out o --rule constant --rule.rat .1", "has no setting 'rat'; did you mean rate?"),
        ("compare worlds --wrlds 2", "--wrlds 2; did you mean --worlds?"),
        (f"{EVALUATE} --jobs jobs.yaml", "unrecognized arguments: --jobs jobs.yaml"),
        (f"{EVALUATE} --jobs.cont 2", "did you mean --jobs.count?"),
        ("run photos --out o --stride x", "--stride must be a whole number of at least 1, got x"),
        ("run photos --out o --size 3.5", "--size must be a whole number from 1 to 65536, got 3.5"),
    ],
)  # fmt: skip
def test_nothing_is_given_twice_and_nothing_unknown_is_taken(refused, here, line, message):
    assert message in refused(line)
    assert not (here / "out").exists()


def numbers():
    """Every option of every command that takes a number: command, option."""
    for name, command in COMMANDS.items():
        outer = ArgumentParser(exit_on_error=False)
        command.add_arguments(outer)
        inner: dict[str, ArgumentParser] = {}
        for action in outer._actions:
            if hasattr(action, "add_subcommand"):
                inner = dict(action.choices)  # pyright: ignore
        parsers = inner or {"": outer}
        for what, parser in parsers.items():
            for action in parser._actions:
                kind = str(getattr(action, "_typehint", action.type))
                if ("int" in kind or "float" in kind) and action.option_strings and not action.dest.startswith("rule"):
                    yield f"{name} {what}".strip(), action.dest


FILLED = {
    "run": "photos --out out",
    "view": "photos",
    "compare": "worlds",
    "palindrome": "photos --out out",
    "evaluate": "worlds --out out",
    "reproduce": "photos --out out",
    "train": "--out out",
    "data demo": "out",
    "data check": "photos",
}


@pytest.mark.parametrize(("command", "option"), [*numbers()], ids=lambda word: word.replace(" ", "_"))
def test_every_number_of_every_command_has_bounds(refused, here, command, option):
    bound = bound_of(option)
    assert bound is not None, f"{option} of {command} needs a line in BOUNDS"
    for value in ("-1", ".nan", ".inf", "-.inf", "1e400", *(["0"] if bound.least >= 1 or bound.above else [])):
        said = refused(f"{command} {FILLED[command]} --{option.replace('_', '-')}={value}")
        assert f"--{option.replace('_', '-')} must be {bound}, got" in said
    assert not (here / "out").exists()


def test_bounds_by_hand():
    assert [Bound(1, 3).holds(value) for value in (0, 1, 3, 4, 1.5, float("nan"), float("inf"))] == (
        [False, True, True, False, False, False, False]
    )
    assert [Bound(0, whole=False, above=True).holds(value) for value in (-1e-9, 0, 1e-9)] == [False, False, True]
    assert str(Bound(0, whole=False, above=True)) == "a finite number above 0"
    assert str(BOUNDS["port"]) == "a whole number from 1 to 65535"
