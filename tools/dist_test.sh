#!/usr/bin/env bash
# Test with several processes on one machine: dist_test.sh CONFIG CHECKPOINT PROCESSES [arguments of test.py]
# On several: set NNODES, NODE_RANK, MASTER_ADDR and PORT on each.
set -euo pipefail
config=$1 checkpoint=$2 processes=$3
"${PYTHON:-python}" -m torch.distributed.run --nnodes="${NNODES:-1}" --node-rank="${NODE_RANK:-0}" \
    --nproc-per-node="$processes" --master-addr="${MASTER_ADDR:-127.0.0.1}" --master-port="${PORT:-29500}" \
    "$(dirname "$0")/test.py" "$config" "$checkpoint" --launcher pytorch "${@:4}"
