"""Renders tutorials: runs a percent script as a notebook, and writes a page with its outputs, its figures and the notebook.

    python tutorials/render.py              all of them, in full: `make tutorials`
    python tutorials/render.py 02 04        these two

For `tutorials/NN_name.py` it writes `docs/tutorials/NN.md`, `docs/tutorials/figures/NN_*.png` and `docs/tutorials/NN.ipynb`.
The notebook holds no outputs: it is the script in another form. A cell that draws says what is drawn: `# %% figure="..."`.
"""

import argparse
import base64
import copy
import os
import re
import tempfile
import time
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parent.parent
PAGES = ROOT / "docs" / "tutorials"
SECONDS = 300
"""What a cell may take on a busy machine; a tutorial is meant to take less than 90 in all on an idle one."""
ESCAPE = "\x1b"
"""What the colours and moving bars of a terminal begin with; on a page they would be rubbish."""


def notebook_of(script: Path) -> nbformat.NotebookNode:
    """The script as a notebook, the same whenever and wherever it is made."""
    notebook = jupytext.read(script, fmt="py:percent")
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number}"
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook.metadata = nbformat.NotebookNode(kernelspec=kernel, language_info={"name": "python"})
    return notebook


def run(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The notebook with outputs. It runs in an empty folder, with shape checks on.

    Raises:
        nbclient.exceptions.CellExecutionError: if a cell fails; names it.
    """
    executed = copy.deepcopy(notebook)
    os.environ["TTT3R_TYPECHECK"] = "1"
    os.environ.pop("SMOKE_TEST", None)
    with tempfile.TemporaryDirectory() as folder:
        place = {"metadata": {"path": folder}}
        NotebookClient(executed, timeout=SECONDS, kernel_name="python3", resources=place).execute()
    return executed


def joined(outputs: list[nbformat.NotebookNode]) -> list[nbformat.NotebookNode]:
    """The outputs of a cell, with what was printed in several pieces in one."""
    found: list[nbformat.NotebookNode] = []
    for output in outputs:
        if found and output.output_type == "stream" and found[-1].get("name") == output.name:
            found[-1].text += output.text
        else:
            found.append(output)
    return found


def page_of(script: Path, executed: nbformat.NotebookNode) -> tuple[str, dict[str, bytes]]:
    """The page in Markdown, and its figures by file name.

    Raises:
        ValueError: for a figure without a description, or a warning or a terminal's colours in the output.
    """
    number = script.stem.partition("_")[0]
    where = f"*[As a notebook]({number}.ipynb){{ download }} · from the checkout: `python tutorials/{script.name}`*"
    parts: list[str] = []
    figures: dict[str, bytes] = {}
    for cell in executed.cells:
        if cell.cell_type == "markdown":
            parts.append(cell.source)
            if len(parts) == 1:
                parts[0] = re.sub(r"\A(# .*)\n", lambda title: f"{title[1]}\n\n{where}\n", cell.source)
            continue
        parts.append(f"```py\n{cell.source}\n```")
        for output in joined(cell.outputs):
            if output.output_type == "stream" and output.name == "stderr":
                raise ValueError(f"{script.name} wrote to stderr: {output.text.strip()[:500]}; mend it, or catch it")
            if output.output_type == "stream":
                if ESCAPE in output.text:
                    raise ValueError(
                        f"{script.name} printed codes of a terminal: {output.text!r:.200}; run the command with FORCE_COLOR="
                    )
                parts.append(f'```text title="Output"\n{output.text.rstrip()}\n```')
            elif "image/png" in output.get("data", {}):
                name = f"{number}_{len(figures) + 1}.png"
                if not cell.metadata.get("figure"):
                    raise ValueError(
                        f'figure {name} of {script.name} has no words; write `# %% figure="what it shows"`'
                    )
                figures[name] = base64.b64decode(output.data["image/png"])
                parts.append(f"![{cell.metadata['figure']}](figures/{name})")
    return "\n\n".join(parts) + "\n", figures


def render(script: Path, pages: Path = PAGES) -> None:
    """Run the script and write page, figures and notebook."""
    number = script.stem.partition("_")[0]
    notebook = notebook_of(script)
    page, figures = page_of(script, run(notebook))
    (pages / "figures").mkdir(parents=True, exist_ok=True)
    for old in (pages / "figures").glob(f"{number}_*.png"):
        old.unlink()
    for name, picture in figures.items():
        (pages / "figures" / name).write_bytes(picture)
    (pages / f"{number}.md").write_text(page, encoding="utf-8")
    (pages / f"{number}.ipynb").write_text(nbformat.writes(notebook) + "\n", encoding="utf-8")


def main() -> None:
    """Render what is asked for, or all."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("numbers", nargs="*", help="of the tutorials, e.g. 02; all of them if left out")
    wanted = parser.parse_args().numbers
    scripts = sorted((ROOT / "tutorials").glob("[0-9]*.py"))
    unknown = set(wanted) - {script.stem.partition("_")[0] for script in scripts}
    if unknown:
        parser.error(f"no tutorial {', '.join(sorted(unknown))}; there are {', '.join(s.stem for s in scripts)}")
    for script in scripts:
        if not wanted or script.stem.partition("_")[0] in wanted:
            began = time.monotonic()
            render(script)
            print(f"{script.stem}: {time.monotonic() - began:.0f} s", flush=True)


if __name__ == "__main__":
    main()
