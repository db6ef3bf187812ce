"""`python -m doorward`."""

import sys

from doorward.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
