#!/usr/bin/env bash
# Package: jsonargparse 4.53.0
# Behaviour: an option with action="store_true" takes whatever a config file holds, without a check: the text 'false',
#   a word, a number or a list. Every one but the empty ones counts as true in an `if`.
# Expected: a flag is a bool. An option of type=bool is checked: 'false' in quotes becomes False and a word is
#   refused.
# Seen: fast: 'false' gives the text 'false' (true in an `if`); fast: hello and fast: [0] pass too.
# Instead: declare the option with type=bool (--fast true), or action=ActionYesNo.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check jsonargparse==4.53.0 PyYAML==6.0.3
cd "$work"
venv/bin/python - <<'PY'
import sys
from importlib.metadata import version

from jsonargparse import ActionYesNo, ArgumentError, ArgumentParser

parser = ArgumentParser(exit_on_error=False)
parser.add_argument("--fast", action="store_true")
parser.add_argument("--typed", type=bool, default=False)
parser.add_argument("--yesno", action=ActionYesNo, default=False)


def value(name, text):
    try:
        return getattr(parser.parse_string(f"{name}: {text}\n"), name)
    except ArgumentError:
        return "refused"


print("jsonargparse", version("jsonargparse"), "expected: False for 'false', and the rest refused")
seen = {}
for text in ("'false'", "hello", "3", "[0]"):
    seen[text] = [value(name, text) for name in ("fast", "typed", "yesno")]
    print("seen", text, "-> store_true %r, type=bool %r, ActionYesNo %r" % tuple(seen[text]))
held = [row[0] for row in seen.values()] == ["false", "hello", 3, [0]]
held = held and seen["'false'"][1] is False and seen["hello"][1] == "refused"
sys.exit(0 if held else "changed: a flag of store_true is checked now")
PY
