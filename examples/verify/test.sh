#!/usr/bin/env bash
# Runs the tests of the verifier against what the programs of this project write:
#
#   examples/verify/test.sh [--long]
#
# Builds `blindmatch` and the judge beside this file, makes a demonstration, and installs the one
# package of requirements.txt into target/verify, with whatever python3 (or PYTHON) is there. Says
# "skipped" where there is no Python of 3.10 or newer, or no package to be had. With --long, 10,000
# changes of each kind of file. PROFILE=dev builds as `cargo test` does.
set -euo pipefail
cd "$(dirname "$0")/../.."
[ "${1:-}" = --long ] && export VERIFY_LONG=1
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
made=$target/verify
python=${PYTHON:-python3}

skip() {
    echo "skipped: the verifier for strangers is not tested: $1" >&2
    exit 0
}
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null || skip 'no Python of 3.10 or newer'
if ! cmp --silent examples/verify/requirements.txt "$made/requirements.txt"; then
    "$python" -m venv --clear "$made/venv" >/dev/null || skip 'python3 has no venv'
    "$made/venv/bin/pip" install --quiet --disable-pip-version-check \
        --requirement examples/verify/requirements.txt || skip 'the package cannot be installed'
    cp examples/verify/requirements.txt "$made/requirements.txt"
fi

profile=${PROFILE:-release}
cargo build --quiet --locked --profile "$profile" -p blindmatch-cli -p blindmatch-examples
built=$target/${profile/#dev/debug}
rm -rf "$made/demo"
"$built/blindmatch" --quiet demo --dir "$made/demo" >/dev/null

export VERIFY_DEMO=$made/demo VERIFY_BLINDMATCH=$built/blindmatch VERIFY_JUDGE=$built/judge
cd examples/verify
PYTHONDONTWRITEBYTECODE=1 "$made/venv/bin/python" -m unittest
