#!/usr/bin/env python3
"""Checks what blindmatch nodes sign and record: see README.md beside this file."""

import sys

from verifier.cli import main

if __name__ == "__main__":
    sys.exit(main())
