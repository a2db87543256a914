"""`python -m workbench` is `workbench`."""

from .cli import main

raise SystemExit(main())
