"""`python -m doorward.demo`."""

import sys

from doorward.demo.main import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
