#!/usr/bin/env bash
# Installs what checks exports into target/formats, with whatever python3 (or PYTHON) is there, and prints
# the interpreter; says "skipped" and why where that is not to be had.
set -uo pipefail
cd "$(dirname "$0")/../.."
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
environment=$target/formats
skipped() { echo "skipped: the checks of exported formats: $1" >&2; exit 0; }

python=${PYTHON:-python3}
"$python" --version >/dev/null 2>&1 || skipped "there is no $python here"
if ! cmp -s tests/formats/requirements.txt "$environment/installed.txt"; then
    "$python" -m venv --clear "$environment" || skipped "$python makes no environment (venv)"
    "$environment/bin/pip" install --quiet --disable-pip-version-check -r tests/formats/requirements.txt ||
        skipped 'the packages of tests/formats/requirements.txt are not to be had from PyPI'
    cp tests/formats/requirements.txt "$environment/installed.txt"
fi
echo "$environment/bin/python"
