#include "fault_command.h"

#define CALIBRATED " --calib ../in/text.txt --samples 2 --length 32"
#define PLAIN " --no-report --no-card"
#define PRUNE(rest) "prune ../in/M -o out" CALIBRATED PLAIN " " rest
#define GGUF(rest) "prune ../in/M -o out.gguf" CALIBRATED PLAIN " " rest
#define RECOVER(rest) "recover ../in/M -o out --data ../in/rows.json --batch 8 --cutoff 128 --no-card " rest
#define HALF " --ratio 0.5"

const fault_command fault_commands[] = {
    {"prune, one shot", PRUNE("--method taylor" HALF " --scores s.json --imatrix i.gguf"), "out s.json i.gguf", true,
     false, false},
    {"prune, page and card",
     "prune ../in/M -o out" CALIBRATED " --method taylor" HALF " --figures figures --text ../in/text.txt", "out", true,
     false, false},
    {"prune, rounds, --resume", PRUNE("--method taylor" HALF " --iterations 2 --resume"), "out", true, true, false},
    {"prune, Moreau, --resume", PRUNE("--method moreau-gs" HALF " --steps 2 --resume"), "out", true, true, false},
    {"prune, layer by layer", PRUNE("--method obs" HALF), "out", true, false, false},
    {"prune, search",
     PRUNE("--method obs" HALF " --allocate search --select uniform --search-steps 6 --search-rounds 1 --resume"),
     "out", true, true, false},
    {"prune, gates", PRUNE("--method gates" HALF " --gate-steps 2 --resume"), "out", true, true, false},
    {"prune, reconstruct", PRUNE("--method best" HALF " --reconstruct 2"), "out", true, false, false},
    {"prune, LoRAPrune",
     "prune ../in/M -o out --method loraprune" HALF
     " --calib ../in/rows.json --train-steps 2 --train-batch 4 --cutoff 128" PLAIN,
     "out", true, false, false},
    {"prune, then recover",
     PRUNE("--method taylor" HALF " --recover ../in/rows.json --recover-steps 2 --recover-batch 4"), "out", true, false,
     false},
    {"prune, whole layers", PRUNE("--drop-layers 1"), "out", true, false, false},
    {"prune, single weights", PRUNE("--method wanda --sparsity 0.5 --densities d.json"), "out d.json", true, false,
     false},
    {"prune, weights, solved", PRUNE("--method best-sparse --pattern 2:4"), "out", true, false, false},
    {"prune, weights, search", PRUNE("--method wanda --sparsity 0.6 --allocate search --search-steps 6"), "out", true,
     false, false},
    {"prune, archive", PRUNE("--method magnitude --sparsity 0.7 --archive"), "out", true, false, false},
    {"prune, importance matrix", "prune ../in/M -o out --method wanda --sparsity 0.5 --calib ../in/i.gguf" PLAIN, "out",
     true, false, false},
    {"prune, GGUF", GGUF("--method taylor" HALF " --type q8_0"), "out.gguf", true, false, false},
    {"recover", RECOVER("--steps 2 --curve curve"), "out curve.csv curve.svg", true, false, false},
    {"recover, adapter", RECOVER("--steps 2 --adapter"), "out", true, false, false},
    {"recover, all weights", RECOVER("--steps 2 --full --resume --save-every 1"), "out", true, true, false},
    {"merge", "merge ../in/M --adapter ../in/A -o out --no-card", "out", true, false, false},
    {"export", "export ../in/M -o out.gguf --type q4_0 --importance ../in/i.gguf", "out.gguf", true, false, false},
    {"convert", "convert ../in/M.gguf out", "out", true, false, false},
    {"sweep",
     "sweep ../in/M --over ratio=0.25,0.5 --method taylor" CALIBRATED
     " --csv rows.csv --json-file rows.json --plot rows.svg --text ../in/text.txt",
     "rows.csv rows.json rows.svg", false, false, true},
    {"eval",
     "eval ../in/M --text ../in/text.txt --window 32 --tasks winogrande --data ../in/tasks --save-items items.jsonl "
     "--lm-eval-json l.json "
     "--report e.html",
     "items.jsonl l.json e.html", false, false, false},
    {"robust",
     "robust ../in/M --methods taylor --ratio 0.5 --perturb bf16" CALIBRATED
     " --text ../in/text.txt --csv r.csv --plot ranks --ranks",
     "r.csv", false, false, false},
    {"report", "report ../in/prune.json -o r.html --figures figures", "r.html", false, false, false},
    {"imatrix", "imatrix ../in/M -o i.gguf" CALIBRATED, "i.gguf", false, false, false},
    {"generate", "generate ../in/M --prompt once --tokens 4", "", false, false, false},
    {"inspect", "inspect ../in/M --tensors", "", false, false, false},
    {"inspect, map", "inspect ../in/M --map layers.0.mlp.down_proj -o map.png", "map.png", false, false, false},
};
const size_t fault_command_count = sizeof fault_commands / sizeof *fault_commands;

const char *const fault_preparations[] = {
    "prune M -o old --method random --ratio 0.25 --seed 9 --no-report --no-card",
    "export M -o M.gguf --type f16",
    "imatrix M -o i.gguf --calib text.txt --samples 2 --length 32",
    "recover M -o A --data rows.json --batch 8 --cutoff 128 --steps 2 --adapter --no-card",
};
const size_t fault_preparation_count = sizeof fault_preparations / sizeof *fault_preparations;
