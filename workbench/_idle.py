"""Imported before torch: its threads sleep while they have nothing to do, instead of keeping a core busy with waiting.

OpenMP reads this once, when it is loaded. Who has set it already is left alone.
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
