#!/usr/bin/env bash
# Package: jsonargparse 4.53.0 with PyYAML 6.0.3
# Behaviour: a key that stands twice in a YAML config passes without a word; the last one counts. A whole group that
#   stands twice loses all that only its first copy said.
# Expected: YAML 1.2.2 (3.2.1.1) says that the keys of a mapping are unique, so the file is not valid and the parser
#   that reads it should say so.
# Seen: n: 2, n: 3 gives 3; model: {size: 8, depth: 4} and later model: {size: 16} leaves depth at its default 1.
# Instead: read the file first with a parser that refuses it (ruamel.yaml does), and check configs in CI with
#   yamllint.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check jsonargparse==4.53.0 PyYAML==6.0.3
cd "$work"
venv/bin/python - <<'PY'
import sys
from importlib.metadata import version

from jsonargparse import ArgumentParser

parser = ArgumentParser(exit_on_error=False)
parser.add_argument("--n", type=int, default=1)
parser.add_argument("--model.size", type=int, default=1)
parser.add_argument("--model.depth", type=int, default=1)
read = parser.parse_string("n: 2\nmodel: {size: 8, depth: 4}\nn: 3\nmodel: {size: 16}\n")
print("jsonargparse", version("jsonargparse"), "PyYAML", version("PyYAML"), "expected: an error that names the key")
print("seen n", read.n, "size", read.model.size, "depth", read.model.depth)
sys.exit(0 if (read.n, read.model.size, read.model.depth) == (3, 16, 1) else "changed: not the last value any more")
PY
