"""Entry of the admin process: python -m doorward.app.admin LISTENING CHANNEL, two descriptors."""

import sys

from doorward.app.admin.main import main

main(int(sys.argv[1]), int(sys.argv[2]))
