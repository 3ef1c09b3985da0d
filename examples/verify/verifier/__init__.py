"""Checks what blindmatch nodes sign and record, by spec/ alone."""
