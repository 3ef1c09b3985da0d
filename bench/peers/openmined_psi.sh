#!/usr/bin/env bash
# Our first night against OpenMined's PSI (package `openmined-psi`) on the same sets, one behind the
# other, both directions each, and our second night against doing theirs again, as they have to:
#
#   bench/peers/openmined_psi.sh [ITEMS]
#
# Prints JSON; a ratio is theirs over ours. Ours has in it what theirs has not: TLS, budgets,
# receipts, ledgers and results on disk, labels, and answers proven against a published key. Installs
# the package into target/peers, with whatever python3 (or PYTHON) is there; the first build takes minutes.
set -euo pipefail
cd "$(dirname "$0")/../.."
items=${1:-1000000}
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
environment=$target/peers/openmined_psi
python=${PYTHON:-python3}

if ! "$environment/bin/python" -c 'import private_set_intersection.python' 2>/dev/null; then
    "$python" -m venv --clear "$environment"
    "$environment/bin/pip" install --quiet --disable-pip-version-check 'openmined-psi>=2.0.5,<3'
fi
if [ -z "${BENCH:-}" ]; then
    cargo build --quiet --release --locked -p blindmatch-bench
    BENCH=$target/release/blindmatch-bench
fi

ours=$("$BENCH" night --items "$items" --output json)
theirs=$("$environment/bin/python" bench/peers/openmined_psi.py "$items")
"$environment/bin/python" - "$ours" "$theirs" <<'PYTHON'
import json
import sys

ours, theirs = (json.loads(text) for text in sys.argv[1:])
figures = ours["figures"]
what = {"wall": "wall_s", "cpu": "cpu_s", "bytes": "mib", "peak_memory": "peak_memory_mib"}
nights = {
    night: {key: figures.get(f"{night}_{key}") for key in what.values()}
    for night in ("night1", "night2")
}
ratios = {
    f"openmined_vs_{night}_{name}": theirs[key] / nights[night][key]
    for night in nights
    for name, key in what.items()
    if nights[night][key]
}
print(
    json.dumps(
        {"bench": "openmined_psi", "openmined": theirs, "ours": nights, "ratios": ratios, "machine": ours["machine"]},
        indent=2,
    )
)
PYTHON
