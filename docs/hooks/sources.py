"""A link from a page to a Python file of the package leads, in the site, to a page that shows the file.

The link is the relative one that also works on GitHub: `[ttt3r/rollout.py](../ttt3r/rollout.py)`.
"""

import re
from pathlib import Path
from typing import Any

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.utils import get_relative_url

_ROOT = Path(__file__).resolve().parents[2]
_LINK = re.compile(r"\]\((?:\.\./)+(?P<file>ttt3r/[\w/]+\.py)\)")


def on_files(files: Files, config: Any, **_: Any) -> Files:
    """Add a page for every file that some page links to.

    Raises:
        PluginError: if a linked file is not there.
    """
    linked = {
        found["file"]: page.src_uri
        for page in files.documentation_pages()
        for found in _LINK.finditer(page.content_string)
    }
    for file, page in linked.items():
        if not (_ROOT / file).is_file():
            raise PluginError(f"{page}: the link leads to {file}, which is not there")
        text = f"---\nsearch:\n  exclude: true\n---\n# {file}\n\n```python\n{(_ROOT / file).read_text()}```\n"
        files.append(File.generated(config, _page(file), content=text, inclusion=InclusionLevel.NOT_IN_NAV))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Turn the links of a page to files into links to their pages."""
    return _LINK.sub(lambda found: f"]({get_relative_url(_page(found['file']), page.file.src_uri)})", markdown)


def _page(file: str) -> str:
    return f"source/{file.removesuffix('.py')}.md"
