"""``python -m fer_xai.data.aggregate``."""

import sys

from fer_xai.data.aggregate.command import main

if __name__ == "__main__":
    sys.exit(main())
