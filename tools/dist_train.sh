#!/usr/bin/env bash
# Usage: tools/dist_train.sh CONFIG PROCESSES [options of train.py]
set -eu
CONFIG=$1
PROCESSES=$2
shift 2
torchrun --nproc_per_node="$PROCESSES" --nnodes="${NNODES:-1}" --node_rank="${NODE_RANK:-0}" \
    --master_addr="${MASTER_ADDR:-127.0.0.1}" --master_port="${PORT:-29500}" \
    "$(dirname "$0")/train.py" "$CONFIG" --launcher pytorch "$@"
