#!/bin/bash
# The figures and tables of the MoreauPruner paper, and the weight maps of the GBLM-Pruner and Symmetric Pruning papers, for
# any model: each by one command, which is shown. What is there already is not made again, and sweeps that were stopped
# go on.
#
#     bench/paper_figures.sh MODEL TEXT FOLDER [further options of pare sweep and pare robust]
#
#   figure2-ranks-...svg, figure2-ranks.csv   ranks of channels, by projection: after a small change, and by another method
#                                             (Figures 2, 5 and 6)
#   figure3.svg, .csv, .md                    only one layer pruned, by method
#   figure4a.svg, figure4b.svg, ..            perplexity against ratio; against eta
#   table1.md, table1.csv                     bf16 against fp16 at 5, 10, 15 and 20 %, block-wise (perplexities of Table 8, too)
#   table1_channel.md, .csv                   the same channel-wise
#   table7.md, .csv, .svg                     calibration size, three seeds
#   theorems.json                             Lipschitz ratios and bounds
#   map_dense.png, map_METHOD.png             |W|, and masks at 50 %, of one matrix
#
# PARE (build/release/pare), CALIB (self), METHODS (taylor,moreau,moreau-gs), SAMPLES of table 7 (10,100), WINDOWS of the text
# (100) and MATRIX of the maps (down_proj of the middle layer) can be set.
set -euo pipefail
if [ $# -lt 3 ]; then
    sed -n '2,/^set /{/^set /!p}' "$0" >&2
    exit 2
fi
model=$1 text=$2 folder=$3
shift 3
pare=${PARE:-$(realpath --relative-to=. "$(dirname "$(readlink -f "$0")")/../build/release/pare")}
methods=${METHODS:-taylor,moreau,moreau-gs}
layers=$("$pare" inspect "$model" --json | awk -F'[:,]' '/"layers":/ { gsub(/ /, "", $2); print $2; exit }')
matrix=${MATRIX:-layers.$((layers / 2)).mlp.down_proj}
mkdir -p "$folder"
common=(--calib "${CALIB:-self}" --quiet "$@")
measured=(--text "$text" --max-windows "${WINDOWS:-100}" "${common[@]}")

# into FILE COMMAND...: shows the command, and runs it unless FILE, which it ends with, is there.
into() {
    local file=$1 word line=
    shift
    [ -e "$file" ] && return
    for word in "$@"; do
        if [[ $word =~ ^[A-Za-z0-9_./:=,-]+$ ]]; then line+=" $word"; else line+=" '$word'"; fi
    done
    printf '$%s > %s\n' "$line" "$file"
    "$@" > "$file.part" || { rm -f "$file.part"; exit 1; }
    mv "$file.part" "$file"
}

robust() {
    local name=$1
    shift
    into "$folder/$name" "$pare" robust "$model" "$@"
}

# sweep NAME OPTION...: a table of means as Markdown, the rows, and a picture.
sweep() {
    local name=$folder/$1
    shift
    into "$name.md" "$pare" sweep "$model" "$@" "${measured[@]}" --csv "$name.csv" --plot "$name.svg" --markdown
}

# map METHOD: a mask of single weights beside the dense matrix.
map() {
    local sparse=$folder/sparse_$1
    [ -e "$folder/map_$1.txt" ] && return
    into "$sparse.txt" "$pare" prune "$model" -o "$sparse" --force --method "$1" --sparsity 0.5 --calib "${CALIB:-self}" --quiet
    into "$folder/map_$1.txt" "$pare" inspect "$sparse" --map "$matrix" --against "$model" -o "$folder/map_$1.png"
    rm -r "$sparse" "$sparse.txt"
}

robust figure2.txt --perturb noise=1e-3 --methods "$methods" --plot "$folder/figure2" "${common[@]}"
sweep figure3 --ratio 0.2 --over "method=$methods" --over "layers=0:$layers:1"
sweep figure4a --over "method=$methods" --over ratio=0.05:0.5:0.05
sweep figure4b --ratio 0.2 --method moreau-gs --over eta=0,1e-7,1e-6,5e-6,1e-5,5e-5,1e-4
robust table1.md --perturb bf16,fp16 --methods "$methods" --ratio 0.05,0.1,0.15,0.2 --csv "$folder/table1.csv" --markdown "${measured[@]}"
if "$pare" inspect "$model" --json | grep -q '"norm": "rms"'; then
    robust table1_channel.md --perturb bf16,fp16 --methods "$methods" --ratio 0.05,0.1,0.15,0.2 --mode channel --csv "$folder/table1_channel.csv" --markdown \
        "${measured[@]}"
fi
# Table 7 goes over the number of samples itself.
for ((i = 0; i < ${#measured[@]}; i++)); do
    [ "${measured[i]}" = --samples ] && unset "measured[i]" "measured[i + 1]" && measured=("${measured[@]}") && i=$((i - 1))
done
sweep table7 --ratio 0.2 --method moreau-gs --over "samples=${SAMPLES:-10,100}" --over seed=0:2:1
robust theorems.json --perturb noise=1e-3 --methods "$methods" --lipschitz --compute fp32 --json "${common[@]}"
into "$folder/map_dense.txt" "$pare" inspect "$model" --map "$matrix" -o "$folder/map_dense.png"
for method in magnitude wanda gblm symwanda; do
    map $method
done
