"""``python -m kernfix``, the same as the ``kernfix`` command."""

import sys

from kernfix.cli.main import main

sys.exit(main())
