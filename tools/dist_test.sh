#!/usr/bin/env bash
# Test with several processes on one machine: dist_test.sh CONFIG CHECKPOINT PROCESSES [arguments of test.py]
# On several: set NNODES, NODE_RANK, MASTER_ADDR and PORT on each.
set -euo pipefail
fail() { echo "$(basename "$0"): error: $1; usage: $(basename "$0") CONFIG CHECKPOINT PROCESSES [arguments of test.py]" >&2; exit 2; }
[ $# -ge 3 ] || fail "expected a config, a checkpoint and a number of processes but got $# arguments"
config=$1 checkpoint=$2 processes=$3
[[ $config == *::* || -f $config ]] || fail "expected a config file but got $config, which is no file"
[ -f "$checkpoint" ] || fail "expected a checkpoint but got $checkpoint, which is no file"
[[ $processes =~ ^[1-9][0-9]*$ ]] || fail "expected a number of processes of 1 or more but got $processes"
"${PYTHON:-python}" -m torch.distributed.run --nnodes="${NNODES:-1}" --node-rank="${NODE_RANK:-0}" \
    --nproc-per-node="$processes" --master-addr="${MASTER_ADDR:-127.0.0.1}" --master-port="${PORT:-29500}" \
    "$(dirname "$0")/test.py" "$config" "$checkpoint" --launcher pytorch "${@:4}"
