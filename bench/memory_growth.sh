#!/bin/bash
# Anonymous memory against depth: runs `pare bench` on LLaMA-7B-shaped synthetic models of 2, 8 and 32 layers (sparse files) and prints
# what each holds, beside the block inputs and the displacement, which are all that may grow.
#
#     bench/memory_growth.sh build/release/pare [further options of pare bench]
set -euo pipefail
pare=$1
shift
printf '%7s %16s %16s %16s %16s\n' layers anonymous_MiB delta_MiB inputs_MiB the_rest_MiB
for layers in 2 8 32; do
    "$pare" bench --shape 7b --layers $layers --repeats 1 --json "$@" 2>/dev/null | awk -v layers=$layers '
        /"anonymous_bytes"/ { gsub(/[^0-9]/, ""); anonymous = $0 / 1048576 }
        /"moreau_state_bytes"/ { gsub(/[^0-9]/, ""); delta = $0 / 1048576 }
        /"moreau_state_in_file": true/ { in_file = 1 }
        /"tokens":/ { gsub(/[^0-9]/, ""); tokens = $0 }
        END {
            inputs = (layers + 1) * tokens * 4096 * 4 / 1048576
            printf "%7d %16.0f %16.0f %16.0f %16.0f\n", layers, anonymous, delta, inputs, anonymous - (in_file ? 0 : delta) - inputs
        }'
done
