/* Options: evaluation, text, measuring, merging, output and running; and all lists as one. */
#include "option_rows.h"

static const pare_topic evaluation[] = {{"evaluation", "Evaluation", "texts to measure on, windows, the dense model"}};
static const pare_topic tasks[] = {{"tasks", "Zero-shot tasks", "accuracies by the rules of lm-evaluation-harness"}};
static const pare_topic classifying[] = {{"pictures", "Pictures", "what is put beside the model"}};
static const pare_topic sampling[] = {{"text", "Text", "what to continue, and how tokens are drawn"}};
static const pare_topic measuring[] = {{"measuring", "What to measure", "the model and the passes"}};
static const pare_topic merging[] = {{"merging", "What to merge", "the adapter"}};
static const pare_topic output[] = {{"output", "Output", "what is written, where, and in what form"}};
static const pare_topic running[] = {{"memory", "How to run", "memory, threads, number format and seed"}};

static const char *compute_name(size_t index) {
    static const char *const names[] = {
        [PARE_COMPUTE_AUTO] = "auto", [PARE_COMPUTE_BF16] = "bf16", [PARE_COMPUTE_FP32] = "fp32"};
    return index < sizeof names / sizeof *names ? names[index] : NULL;
}

static const char *keep_name(size_t index) {
    static const char *const names[] = {[PARE_KEEP_AUTO] = "auto", [PARE_KEEP_YES] = "yes", [PARE_KEEP_NO] = "no"};
    return index < sizeof names / sizeof *names ? names[index] : NULL;
}

const char *pare_choice_shape(size_t index) {
    static const char *const names[] = {"1b", "7b", "13b", "llama3-8b", "70b", "30b-a3b"};
    return index < sizeof names / sizeof *names ? names[index] : NULL;
}

/* clang-format off */
static const pare_option rows[] = {
    {.name = "eval", .commands = PARE_IN_PRUNE, .group = evaluation, .kind = PARE_VALUE_LIST, .value = "FILE...",
     .offset = AT(texts), .help = "the same as --text"},
    {.name = "text", .commands = PARE_IN_EVAL | PARE_IN_PRUNE | PARE_IN_RECOVER | STUDIES, .common = SHORTENED, .group = evaluation, .kind = PARE_VALUE_LIST,
     .value = "FILE...", .offset = AT(texts),
     .brief = "texts to measure the perplexity on, or 'self'",
     .help = "texts to measure the perplexity on (prune, recover: before and after), or 'self' (not recover): text that the "
             "model writes itself; all following words are texts, and the option may be repeated"},
    {.name = "images", .commands = PARE_IN_EVAL | PARE_IN_PRUNE | PARE_IN_RECOVER | STUDIES, .common = PARE_IN_EVAL, .group = evaluation, .kind = PARE_VALUE_TEXT,
     .value = "DIR", .offset = AT(images), .brief = "pictures to measure a vision transformer on",
     .help = "pictures to measure a vision transformer on, in one folder per class, or MNIST's idx files"},
    {.name = "window", .commands = PARE_IN_EVAL | PARE_IN_RECOVER | SHARED, .common = PARE_IN_EVAL, .group = evaluation, .kind = PARE_VALUE_INTEGER,
     .value = "N", .offset = AT(window), .low = 2, .high = 1048576, .help = "tokens per window",
     .usual = "128"},
    {.name = "max-windows", .commands = PARE_IN_EVAL | PARE_IN_RECOVER | SHARED, .common = PARE_IN_EVAL, .group = evaluation, .kind = PARE_VALUE_INTEGER,
     .value = "N", .offset = AT(max_windows), .low = 1, .high = 4294967295.0,
     .brief = "only the first N windows of each text",
     .help = "only the first N windows of each text, or N pictures from all over the set",
     .usual = "all"},
    {.name = "continuations", .commands = PARE_IN_EVAL | PARE_IN_PRUNE | PARE_IN_RECOVER, .common = PARE_IN_EVAL, .group = evaluation, .kind = PARE_VALUE_INTEGER,
     .value = "N", .offset = AT(continuations), .low = 1, .high = 1e6,
     .brief = "also let the model write on N texts: does it repeat itself",
     .help = "also 64 tokens that are drawn behind the first 32 of N windows of each text: how many of their 4-grams "
             "repeat one before, and how many texts come to an end; 32 say enough",
     .usual = "none"},
    {.name = "adapter", .commands = PARE_IN_EVAL, .common = PARE_IN_EVAL, .group = evaluation, .kind = PARE_VALUE_TEXT, .value = "DIR",
     .offset = AT(adapter_folder), .brief = "a PEFT adapter to put beside the weights",
     .help = "folder of a PEFT adapter, which is put beside the weights of MODEL"},
    {.name = "against", .commands = PARE_IN_EVAL, .common = PARE_IN_EVAL, .group = evaluation, .kind = PARE_VALUE_TEXT, .value = "DENSE",
     .offset = AT(against),
     .brief = "also how close this model's predictions are",
     .help = "also the KL divergence and the top-1 agreement with this model; it then writes the text of 'self'"},
    {.name = "tasks", .commands = PARE_IN_EVAL, .common = PARE_IN_EVAL, .group = tasks, .kind = PARE_VALUE_TEXT, .value = "NAMES",
     .offset = AT(tasks),
     .brief = "zero-shot tasks with commas between, or all",
     .help = "zero-shot tasks, with commas between them, or all: boolq, piqa, hellaswag, winogrande, arc_easy, "
             "arc_challenge, openbookqa"},
    {.name = "data", .commands = PARE_IN_EVAL, .common = PARE_IN_EVAL, .group = tasks, .kind = PARE_VALUE_TEXT, .value = "DIR",
     .offset = AT(data),
     .brief = "folder with the tasks' files",
     .help = "folder with the tasks' files, in folders of their own (boolq/val.jsonl) or not (boolq.jsonl); with one "
             "task also its file"},
    {.name = "protocol", .commands = PARE_IN_EVAL, .group = tasks, .kind = PARE_VALUE_CHOICE, .value = "NAME",
     .offset = AT(task_protocol), .choice = pare_task_protocol_name,
     .help = "rules of lm-evaluation-harness for the tasks: as it is, or as it was in 2023",
     .usual = "current"},
    {.name = "limit", .commands = PARE_IN_EVAL, .common = PARE_IN_EVAL, .group = tasks, .kind = PARE_VALUE_INTEGER, .value = "N",
     .offset = AT(limit), .low = 1, .high = 4294967295.0, .help = "only N documents of each task",
     .usual = "all"},

    {.name = "prompt", .commands = PARE_IN_GENERATE, .group = sampling, .kind = PARE_VALUE_TEXT, .value = "TEXT",
     .offset = AT(prompt), .may_be_empty = true, .help = "text to continue; may be empty"},
    {.name = "tokens", .commands = PARE_IN_GENERATE, .group = sampling, .kind = PARE_VALUE_INTEGER, .value = "N",
     .offset = AT(tokens), .low = 1, .high = 1e9, .help = "tokens to write at most",
     .usual = "128"},
    {.name = "temperature", .commands = PARE_IN_GENERATE, .group = sampling, .kind = PARE_VALUE_REAL, .value = "T",
     .offset = AT(temperature), .low = 0, .high = 100, .help = "0 takes the likeliest token each time",
     .usual = "0"},
    {.name = "top-p", .commands = PARE_IN_GENERATE, .group = sampling, .kind = PARE_VALUE_REAL, .value = "P",
     .offset = AT(top_p), .low = 0, .high = 1,
     .help = "draw among the likeliest tokens that make up this probability",
     .usual = "1, all"},

    {.name = "adapter", .commands = PARE_IN_CLASSIFY, .group = classifying, .kind = PARE_VALUE_TEXT, .value = "DIR",
     .offset = AT(adapter_folder), .help = "folder of a PEFT adapter, which is put beside the weights of MODEL"},
    {.name = "adapter", .commands = PARE_IN_GENERATE, .group = sampling, .kind = PARE_VALUE_TEXT, .value = "DIR",
     .offset = AT(adapter_folder), .help = "folder of a PEFT adapter, which is put beside the weights of MODEL"},

    {.name = "tensors", .commands = PARE_IN_INSPECT, .group = output, .kind = PARE_VALUE_FLAG, .offset = AT(tensors),
     .help = "also every tensor with its share of zeros, which reads the whole model"},
    {.name = "map", .commands = PARE_IN_INSPECT, .group = output, .kind = PARE_VALUE_TEXT, .value = "MATRIX", .offset = AT(map),
     .help = "instead: where the weights of this matrix lie, as a picture: a tensor's name as --tensors has it, or its "
             "end, such as layers.3.mlp.down_proj"},
    {.name = "against", .commands = PARE_IN_INSPECT, .group = output, .kind = PARE_VALUE_TEXT, .value = "DENSE", .offset = AT(against),
     .help = "with --map: the model that MODEL was pruned from, to show what is left of its matrix and what moved"},
    {.name = "output", .letter = 'o', .commands = PARE_IN_INSPECT, .group = output, .kind = PARE_VALUE_TEXT, .value = "FILE",
     .offset = AT(output), .help = "with --map: the picture, .png or .svg"},

    {.name = "shape", .commands = PARE_IN_BENCH, .group = measuring, .kind = PARE_VALUE_CHOICE, .value = "NAME",
     .offset = AT(shape), .choice = pare_choice_shape,
     .help = "instead of MODEL: synthetic weights of this shape, in a sparse file"},
    {.name = "layers", .commands = PARE_IN_BENCH, .group = measuring, .kind = PARE_VALUE_INTEGER, .value = "N",
     .offset = AT(layers), .low = 1, .high = 1000, .help = "layers of the synthetic model",
     .usual = "1"},
    {.name = "samples", .commands = PARE_IN_BENCH, .group = measuring, .kind = PARE_VALUE_INTEGER, .value = "N",
     .offset = AT(samples), .low = 1, .high = 1e6, .help = "sequences per pass",
     .usual = "10"},
    {.name = "length", .commands = PARE_IN_BENCH, .group = measuring, .kind = PARE_VALUE_INTEGER, .value = "T",
     .offset = AT(length), .low = 2, .high = 1048576, .help = "tokens per sequence",
     .usual = "128"},
    {.name = "repeats", .commands = PARE_IN_BENCH, .group = measuring, .kind = PARE_VALUE_INTEGER, .value = "N",
     .offset = AT(repeats), .low = 1, .high = 1000, .help = "passes of each kind; the median counts",
     .usual = "3"},

    {.name = "adapter", .commands = PARE_IN_MERGE, .group = merging, .kind = PARE_VALUE_TEXT, .value = "DIR",
     .offset = AT(adapter_folder), .help = "folder of a PEFT LoRA adapter, as pare recover --adapter writes them"},

    {.name = "output", .letter = 'o', .commands = PARE_IN_PRUNE, .common = PARE_IN_PRUNE, .group = output, .kind = PARE_VALUE_TEXT,
     .value = "OUT", .offset = AT(output), .brief = "folder or .gguf file to write, or --dry-run",
     .help = "folder to write, or a GGUF file, OUT.gguf; needed except with --dry-run"},
    {.name = "output", .letter = 'o', .commands = PARE_IN_EXPORT, .group = output, .kind = PARE_VALUE_TEXT, .value = "OUT.gguf",
     .offset = AT(output), .help = "the GGUF file to write; a name that does not end with .gguf is a folder"},
    {.name = "output", .letter = 'o', .commands = PARE_IN_IMATRIX, .group = output, .kind = PARE_VALUE_TEXT,
     .value = "FILE.gguf", .offset = AT(output), .help = "the file to write; what is there is replaced"},
    {.name = "output", .letter = 'o', .commands = PARE_IN_REPORT, .common = PARE_IN_REPORT, .group = output, .kind = PARE_VALUE_TEXT,
     .value = "OUT.html", .offset = AT(output), .help = "the page to write; what is there is replaced"},
    {.name = "output", .letter = 'o', .commands = PARE_IN_RECOVER | PARE_IN_MERGE, .common = PARE_IN_RECOVER, .group = output, .kind = PARE_VALUE_TEXT,
     .value = "OUT", .offset = AT(output), .help = "folder to write, or a GGUF file, OUT.gguf"},
    {.name = "type", .commands = PARE_IN_PRUNE | PARE_IN_RECOVER | PARE_IN_MERGE | PARE_IN_EXPORT | PARE_IN_CONVERT, .group = output, .kind = PARE_VALUE_TEXT,
     .value = "TYPE", .offset = AT(type), .brief = "of a GGUF file's numbers: f16, q8_0, q4_k_m, ..",
     .help = "how a GGUF file has its numbers: f32, f16, bf16, q8_0, q6_k, q5_k_m, q5_k_s, q4_k_m, q4_k_s, q5_1, q5_0, q4_1, q4_0; "
             "export and convert: a folder as f32, f16 or bf16",
     .usual = "f16; a folder: as the model"},
    {.name = "importance", .commands = PARE_IN_EXPORT | PARE_IN_CONVERT, .group = output, .kind = PARE_VALUE_TEXT, .value = "FILE",
     .offset = AT(importance),
     .help = "an importance matrix of the model, as pare imatrix and llama.cpp's llama-imatrix write them: a GGUF file's "
             "blocks follow the columns that count most (types q4_0 to q6_k)"},
    {.name = "adapter", .commands = PARE_IN_RECOVER, .common = PARE_IN_RECOVER, .group = output, .kind = PARE_VALUE_FLAG, .offset = AT(adapter),
     .brief = "write a PEFT adapter in place of a whole model",
     .help = "write a PEFT adapter in place of a model with what was learnt merged into its weights"},
    {.name = "curve", .commands = PARE_IN_RECOVER, .group = output, .kind = PARE_VALUE_TEXT, .value = "PREFIX",
     .offset = AT(curve), .help = "loss curve as PREFIX.csv and PREFIX.svg",
     .usual = "OUT/loss.csv, OUT/loss.svg"},
    {.name = "report", .commands = REPORTING, .group = output, .kind = PARE_VALUE_TEXT, .value = "FILE",
     .offset = AT(report), .help = "the report as a page to look at, one HTML file, in this place",
     .usual = "prune, recover: OUT/report.html; sweep: beside --csv or --json-file; others: none"},
    {.name = "no-report", .commands = REPORTING, .group = output, .kind = PARE_VALUE_FLAG, .offset = AT(no_report),
     .help = "no such page"},
    {.name = "no-card", .commands = PARE_IN_PRUNE | PARE_IN_RECOVER | PARE_IN_MERGE, .group = output, .kind = PARE_VALUE_FLAG,
     .offset = AT(no_card), .help = "write no model card (OUT/README.md)"},
    {.name = "remote-code", .commands = PARE_IN_PRUNE | PARE_IN_RECOVER | PARE_IN_MERGE | PARE_IN_CONVERT, .group = output, .kind = PARE_VALUE_FLAG,
     .offset = AT(remote_code),
     .help = "where layers differ in width, also OUT/modeling_pare.py, with which transformers loads the model "
             "(trust_remote_code=True), and config.json as vLLM's DeciLMForCausalLM reads it where that holds the model"},
    {.name = "figures", .commands = REPORTING | PARE_IN_REPORT, .common = PARE_IN_REPORT, .group = output, .kind = PARE_VALUE_TEXT, .value = "DIR",
     .offset = AT(figures), .brief = "every picture also as an SVG file in this folder",
     .help = "every picture of the page also as an SVG file in this folder, which is made if need be"},
    {.name = "force", .commands = PARE_IN_PRUNE | PARE_IN_RECOVER | PARE_IN_MERGE | PARE_IN_EXPORT | PARE_IN_CONVERT, .common = SHORTENED, .group = output, .kind = PARE_VALUE_FLAG, .offset = AT(force),
     .help = "replace OUT if it exists"},
    {.name = "resume", .commands = PARE_IN_PRUNE, .group = output, .kind = PARE_VALUE_FLAG, .offset = AT(resume),
     .help = "keep every finished layer, pass and step in OUT.progress, and go on from what is there"},
    {.name = "resume", .commands = PARE_IN_RECOVER, .common = PARE_IN_RECOVER, .group = output, .kind = PARE_VALUE_FLAG, .offset = AT(resume),
     .help = "keep the progress in OUT.progress, and go on from what is there"},
    {.name = "save-every", .commands = PARE_IN_RECOVER, .group = output, .kind = PARE_VALUE_INTEGER, .value = "N",
     .offset = AT(save_every), .low = 1, .high = 1e9,
     .help = "with --resume: steps between two times that the progress is kept",
     .usual = "200"},
    {.name = "dry-run", .commands = PARE_IN_PRUNE, .common = PARE_IN_PRUNE, .group = output, .kind = PARE_VALUE_FLAG, .offset = AT(dry_run),
     .help = "score and report, but write no model"},
    {.name = "scores", .commands = PARE_IN_PRUNE, .group = output, .kind = PARE_VALUE_TEXT, .value = "FILE",
     .offset = AT(scores), .help = "also write the score of every unit as JSON"},
    {.name = "densities", .commands = PARE_IN_PRUNE, .group = output, .kind = PARE_VALUE_TEXT, .value = "FILE",
     .offset = AT(densities),
     .help = "also write the density of every mask of single weights in 64 x 64 tiles as JSON, for plots"},
    {.name = "imatrix", .commands = PARE_IN_PRUNE, .group = output, .kind = PARE_VALUE_TEXT, .value = "FILE",
     .offset = AT(imatrix),
     .help = "also write the importance matrix of what is left, a GGUF file for llama.cpp's llama-quantize, measured on "
             "--calib in one more pass"},
    {.name = "archive", .commands = PARE_IN_PRUNE, .group = output, .kind = PARE_VALUE_FLAG, .offset = AT(archive),
     .help = "write a bitmask archive, which only pare reads, in place of model.safetensors: 0.56 of the size at "
             "--sparsity 0.5 in 16 bits"},
    {.name = "csv", .commands = PARE_IN_SWEEP, .common = PARE_IN_SWEEP, .group = output, .kind = PARE_VALUE_TEXT, .value = "FILE",
     .offset = AT(csv),
     .brief = "a table that gains a line with every point",
     .help = "a table that gains a line with every point; run again with the same options, points that it holds are "
             "not run again"},
    {.name = "json-file", .commands = PARE_IN_SWEEP, .common = PARE_IN_SWEEP, .group = output, .kind = PARE_VALUE_TEXT, .value = "FILE",
     .offset = AT(json_file), .brief = "the same as one JSON document",
     .help = "the same as one JSON document, which is whole at any time"},
    {.name = "plot", .commands = PARE_IN_SWEEP, .common = PARE_IN_SWEEP, .group = output, .kind = PARE_VALUE_TEXT, .value = "FILE.svg",
     .offset = AT(plot), .brief = "perplexities as a picture",
     .help = "perplexities as a picture: over the first axis of numbers, one line for each method or value of another "
             "axis, error bars over seeds, the dense model as a level"},
    {.name = "save-items", .commands = PARE_IN_EVAL, .common = PARE_IN_EVAL, .group = output, .kind = PARE_VALUE_TEXT, .value = "FILE",
     .offset = AT(items), .brief = "likelihoods of every document of the tasks, as JSON",
     .help = "also write the likelihoods of every document of the tasks, one JSON line each"},
    {.name = "lm-eval-json", .commands = PARE_IN_EVAL, .group = output, .kind = PARE_VALUE_TEXT, .value = "FILE",
     .offset = AT(lm_eval_json),
     .help = "also write the tasks' results in the form of lm-evaluation-harness, for what reads that"},
    {.name = "csv", .commands = PARE_IN_ROBUST, .common = PARE_IN_ROBUST, .group = output, .kind = PARE_VALUE_TEXT, .value = "FILE",
     .offset = AT(csv), .help = "perplexities before and after each change as a table"},
    {.name = "markdown", .commands = PARE_IN_EVAL | STUDIES, .common = PARE_IN_EVAL | PARE_IN_ROBUST, .group = output, .kind = PARE_VALUE_FLAG, .offset = AT(markdown),
     .help = "print tables as Markdown"},
    {.name = "verbose", .commands = PARE_IN_EVAL, .group = output, .kind = PARE_VALUE_FLAG, .offset = AT(verbose),
     .help = "of several models, too, print tables with standard errors"},
    {.name = "json", .commands = EVERYWHERE & ~(unsigned)PARE_IN_GENERATE, .common = SHORTENED, .group = output, .kind = PARE_VALUE_FLAG,
     .offset = AT(json), .help = "print the result as one JSON document"},
    {.name = "quiet", .commands = WORKING & ~(unsigned)PARE_IN_GENERATE, .group = output, .kind = PARE_VALUE_FLAG,
     .offset = AT(quiet),
     .help = "no plan and no progress"},

    {.name = "seed", .commands = SHARED | PARE_IN_IMATRIX | PARE_IN_RECOVER | PARE_IN_EVAL | PARE_IN_GENERATE, .common = PARE_IN_PRUNE | STUDIES, .group = running,
     .kind = PARE_VALUE_SEED, .value = "N", .offset = AT(seed), .help = "seed of everything that is drawn",
     .usual = "0"},
    {.name = "compute", .commands = WORKING, .group = running, .kind = PARE_VALUE_CHOICE, .value = "bf16|fp32",
     .offset = AT(compute), .choice = compute_name,
     .help = "number format of matrix products",
     .usual = "auto, bf16 where the CPU multiplies it natively"},
    {.name = "threads", .commands = WORKING, .group = running, .kind = PARE_VALUE_INTEGER, .value = "N",
     .offset = AT(threads), .low = 1, .high = 4096,
     .help = "threads to use",
     .usual = "all cores that the process may use, as affinity, quotas and OMP_NUM_THREADS have it"},
    {.name = "memory", .commands = WORKING, .common = SHORTENED, .group = running, .kind = PARE_VALUE_SIZE, .value = "SIZE",
     .offset = AT(memory), .low = 1048576, .high = 1152921504606846976.0,
     .brief = "most memory to use, as 8G",
     .help = "most memory to use, such as 8G or 512M; the mapped weights do not count",
     .usual = "80 % of what is available"},
    {.name = "keep-activations", .commands = PARE_IN_PRUNE | STUDIES | PARE_IN_RECOVER, .group = running, .kind = PARE_VALUE_CHOICE,
     .value = "auto|yes|no", .offset = AT(keep_activations), .choice = keep_name, .bare = "auto",
     .help = "keep what blocks compute until their gradients are made instead of computing it twice: faster, and "
             "the same result; auto: of as many blocks as --memory leaves room for beside all weights; yes: of "
             "all, or stop",
     .usual = "auto"},
    {.name = "scratch", .commands = PARE_IN_PRUNE | STUDIES | PARE_IN_BENCH, .group = running, .kind = PARE_VALUE_TEXT,
     .value = "DIR", .offset = AT(scratch),
     .help = "folder for state that does not fit into memory",
     .usual = "$TMPDIR or /tmp"},
    {.name = "help", .letter = 'h', .commands = EVERYWHERE, .group = running, .kind = PARE_VALUE_FLAG,
     .offset = AT(help), .help = "show this text"},
};
/* clang-format on */

const pare_option *pare_option_at(size_t index) {
    const pare_option_rows lists[] = {pare_option_rows_units,
                                      pare_option_rows_elements,
                                      pare_option_rows_calibration,
                                      pare_option_rows_training,
                                      {rows, sizeof rows / sizeof *rows}};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        if (index < lists[i].count) return &lists[i].list[index];
        index -= lists[i].count;
    }
    return NULL;
}
