"""ttt3r: recurrent 3D memory with plug-in state update rules."""

import os

if os.environ.get("TTT3R_TYPECHECK") == "1":
    # Must come before any submodule is loaded: the hook decorates modules as they are imported.
    from jaxtyping import install_import_hook

    install_import_hook("ttt3r", "beartype.beartype")

from ttt3r._version import __version__ as __version__
