#!/usr/bin/env bash
# All sixteen runs: four tasks, both deltas, honest and published noise.  MODEL DATA OUTPUT [options of edgeworth-finetune]
set -euo pipefail
model=$1 data=$2 output=$3
shift 3
for setting in "mnli 1e-5" "mnli 1e-6" "qqp 1e-5" "qqp 1e-6" "qnli 1e-5" "qnli 1e-6" "sst2 1e-5" "sst2 1e-4"; do
    read -r task delta <<<"$setting"
    for noise in honest published; do
        folder=$output/$task-$delta-$noise
        [ -e "$folder/metrics.json" ] && continue
        python "$(dirname "$0")/run.py" --task "$task" --delta "$delta" --noise "$noise" --model "$model" --data "$data" \
            --output "$folder" -- --resume "$@"
    done
done
