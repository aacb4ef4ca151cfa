#!/bin/bash
# The MoreauPruner paper's robustness tables and figures as data, for any model: CSV and JSON files in a folder. A run that
# was stopped goes on when it is given again; robust's files are made anew where they are missing.
#
#     bench/paper_figures.sh PARE MODEL CALIBRATION TEXT FOLDER [further options of pare sweep and pare robust]
#
#   table1_block.json, table8_channel.json   bf16 against fp16 at 5, 10, 15 and 20 %, block-wise and channel-wise
#   figure2_ranks.json                       unit ranks before and after, by method (also Figures 5 and 6)
#   figure3_one_layer.csv                    only one layer pruned, by method
#   figure4_ratio.csv, figure4_eta.csv       ratios and threshold levels
#   table7_calibration.csv                   calibration size and seed
#   theorems.json                            Lipschitz ratios and bounds
set -euo pipefail
if [ $# -lt 5 ]; then
    sed -n '2,13p' "$0" >&2
    exit 2
fi
pare=$1 model=$2 calibration=$3 text=$4 folder=$5
shift 5
samples=${SAMPLES:-10,100}
layers=$("$pare" inspect "$model" --json | awk -F'[:,]' '/"layers":/ { gsub(/ /, "", $2); print $2; exit }')
mkdir -p "$folder"
common=(--calib "$calibration" --quiet "$@")

robust() {
    local file=$folder/$1
    shift
    [ -e "$file" ] && return
    "$pare" robust "$model" "${common[@]}" "$@" --json > "$file.part"
    mv "$file.part" "$file"
}

sweep() {
    local file=$folder/$1
    shift
    "$pare" sweep "$model" "${common[@]}" --text "$text" "$@" --csv "$file" --json-file "${file%.csv}.json" > "${file%.csv}.txt"
}

robust table1_block.json --perturb bf16,fp16 --methods taylor,moreau,moreau-gs,best --ratio 0.05,0.1,0.15,0.2 --text "$text"
robust table8_channel.json --perturb bf16,fp16 --methods taylor,moreau,moreau-gs --ratio 0.05,0.1,0.15,0.2 --mode channel --text "$text"
robust figure2_ranks.json --perturb noise=1e-3 --methods taylor,moreau,moreau-gs --ranks
sweep figure3_one_layer.csv --ratio 0.2 --over method=taylor,moreau "--over=layers=0:$layers:1"
sweep figure4_ratio.csv --over method=taylor,moreau,moreau-gs --over ratio=0.05:0.5:0.05
sweep figure4_eta.csv --ratio 0.2 --method moreau-gs --over eta=0,1e-6,5e-6,1e-5,5e-5,q0.1,q0.3,q0.5
sweep table7_calibration.csv --ratio 0.2 --method moreau-gs --over "samples=$samples" --over seed=0:2:1
robust theorems.json --perturb noise=1e-3 --methods taylor,moreau,moreau-gs --lipschitz --compute fp32
