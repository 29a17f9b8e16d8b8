"""`python -m ttt3r`: the same as the command `ttt3r`."""

import sys

from ttt3r.cli import main

if __name__ == "__main__":
    sys.exit(main())
