"""`python -m edgeworth_acct`: the command line."""

import sys

from edgeworth_acct.cli import main

if __name__ == "__main__":
    sys.exit(main())
