"""The asv suite; asv imports every module here, so each imports what it needs when it is set up.

asv knows this package by the name `suite`; what it shares with the speed table is in the package
`benchmarks`, found from the repository's root. That comes at the end of the path, so that the
erfgraph that is measured is the installed one.
"""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2]))
