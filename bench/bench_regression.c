/* Ratios that do not depend on the machine's speed: bench_regression PARE MODEL FOLDER [NAME...]. Every kernel and
 * command takes turns with a reference that is none of pare's own code (a product of OpenBLAS, a copy, a byte-wise
 * hash, a plain file), and the median of the ratios counts: 1 is as fast as the reference for the same nominal work,
 * more is faster. FOLDER holds what bench/regression made: text.txt and examples.json. Prints the kind of CPU, then
 * name,ratio,reference. Of the rows named, or all; a name that ends in - stands for all that begin with it. */
#include "backend/backend.h"
#include "checkpoint/writer.h"
#include "cpu_kind.h"
#include "pare.h"
#include "select/element_select.h"
#include "select/swap.h"
#include "support/file.h"
#include "support/machine.h"
#include "support/memory.h"
#include "support/product.h"
#include "support/progress.h"
#include "support/random.h"

#include <fcntl.h>
#include <math.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { HIDDEN = 1024, FFN = 2752, TOKENS = 512, HEADS = 16, HEAD = 64, SIDE = 500, SWAP = 256, PRODUCT_ROWS = 256 };
enum { KERNEL_ROUNDS = 9, COMMAND_ROUNDS = 3 };
static const int64_t elements = (int64_t)FFN * HIDDEN;
static const double shortest = 0.01, shortest_beside_command = 0.25; /* seconds of one measurement */

typedef struct bench {
    const char *pare, *model, *folder;
    pare_backend *fp32, *bf16;
    float *a, *b, *c, *d; /* [FFN, HIDDEN] each */
    void *x, *y, *z;      /* operands of the backend at work, as many */
    pare_backend *backend;
    float *gram;
    pare_element_mask mask, small;
    pare_tokenizer *tokenizer;
    char *text;
    size_t text_bytes;
    int threads, outputs;
    uint64_t hash;
} bench;

typedef pare_status (*work_fn)(bench *b, int variant);

static pare_status multiply(bench *b, int variant) {
    (void)variant;
    pare_product(PRODUCT_ROWS * (int64_t)b->threads, SIDE, HIDDEN, 1.0f, (pare_rows){b->a, HIDDEN},
                 (pare_rows){b->b, SIDE}, 0.0f, b->c, SIDE);
    return PARE_OK;
}

static pare_status copy(bench *b, int variant) {
    (void)variant;
#pragma omp parallel for schedule(static)
    for (int64_t row = 0; row < FFN; row++)
        memcpy(b->d + row * HIDDEN, b->a + row * HIDDEN, HIDDEN * sizeof(float));
    return PARE_OK;
}

static pare_status hash(bench *b, int variant) {
    (void)variant;
    for (size_t i = 0; i < b->text_bytes; i++)
        b->hash = (b->hash ^ (unsigned char)b->text[i]) * UINT64_C(1099511628211);
    return PARE_OK;
}

static pare_status plain_file(bench *b, int variant) {
    (void)variant;
    char *path = pare_path_join(b->folder, "plain");
    int file = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
    bool fine = file >= 0 && write(file, b->a, (size_t)elements * sizeof *b->a) > 0;
    fine = fine && fsync(file) == 0;
    if (file >= 0) close(file);
    unlink(path);
    pare_status status = fine ? PARE_OK : pare_fail(PARE_FILE_ERROR, "%s: cannot be written", path);
    free(path);
    return status;
}

typedef enum reference { PRODUCT, COPY, HASH, PLAIN_FILE } reference;

static const struct {
    const char *name;
    work_fn run;
} references[] = {[PRODUCT] = {"product of OpenBLAS", multiply},
                  [COPY] = {"copy", copy},
                  [HASH] = {"byte-wise hash", hash},
                  [PLAIN_FILE] = {"plain file", plain_file}};

/* Nominal work of a call: operations, bytes moved, or calls. */
static double reference_work(const bench *b, reference r) {
    if (r == PRODUCT) return 2.0 * (double)PRODUCT_ROWS * b->threads * (double)SIDE * (double)HIDDEN;
    return r == COPY ? 8.0 * (double)elements : 1.0;
}

/* variant: 0 forward, 1 dx, 2 dW, 3 forward of one row */
static pare_status matmul(bench *b, int variant) {
    const pare_matmul shapes[] = {
        {.batch = 1, .m = TOKENS, .n = FFN, .k = HIDDEN, .transpose_b = true},
        {.batch = 1, .m = TOKENS, .n = HIDDEN, .k = FFN},
        {.batch = 1, .m = FFN, .n = HIDDEN, .k = TOKENS, .transpose_a = true},
        {.batch = 1, .m = 1, .n = FFN, .k = HIDDEN, .transpose_b = true},
    };
    return b->backend->operations->matmul(b->backend, &shapes[variant], b->x, b->y, b->c);
}

static const pare_attention attention = {.batch = TOKENS / 128,
                                         .groups = HEADS,
                                         .shared = 1,
                                         .head = HEAD,
                                         .queries = 128,
                                         .keys = 128,
                                         .key_capacity = 128};
static const int64_t hidden_elements = (int64_t)TOKENS * HIDDEN;

static pare_status attention_pass(bench *b, int backward) {
    const pare_backend_operations *o = b->backend->operations;
    const void *v = pare_operand_at(b->backend, b->y, hidden_elements);
    if (!backward) return o->attention_forward(b->backend, &attention, b->x, b->y, v, b->c, b->d);
    const void *dout = pare_operand_at(b->backend, b->y, 2 * hidden_elements);
    return o->attention_backward(b->backend, &attention, b->x, b->y, v, b->c, b->d, dout, b->a, b->a + hidden_elements,
                                 b->a + 2 * hidden_elements);
}

static pare_status elementwise(bench *b, int variant) {
    const pare_backend_operations *o = b->backend->operations;
    int64_t n = (int64_t)TOKENS * FFN;
    const pare_norm norm = {.weight = b->b, .eps = 1e-5};
    if (variant == 0) o->gated_forward(b->backend, PARE_ACTIVATION_SILU, b->a, b->b, n, b->x);
    if (variant == 1) o->gated_backward(b->backend, PARE_ACTIVATION_SILU, b->a, b->b, b->c, n, b->x, b->y);
    if (variant == 2) o->norm_forward(b->backend, &norm, b->a, FFN, HIDDEN, b->x, false, b->d);
    if (variant == 3) o->norm_backward(b->backend, &norm, b->a, b->d, b->b, FFN, HIDDEN, b->c, true, NULL, NULL);
    return PARE_OK;
}

static pare_status noise(bench *b, int variant) {
    (void)variant;
#pragma omp parallel for schedule(static)
    for (int64_t row = 0; row < FFN; row++)
        pare_normal_fill(b->d + row * HIDDEN, 1, 2, 3, (uint64_t)row * HIDDEN, HIDDEN);
    return PARE_OK;
}

/* variant: keep so many of every 4, or half of each row, or of the matrix */
static pare_status select_elements(bench *b, int variant) {
    pare_element_target target = {.sparsity = 0.5, .compare = variant == 1 ? PARE_COMPARE_MATRIX : PARE_COMPARE_ROW};
    if (variant == 2) target = (pare_element_target){.keep = 2, .of = 4};
    return pare_element_select(b->gram, &target, &b->mask);
}

static pare_status swap(bench *b, int variant) {
    (void)variant;
    pare_swap_result result;
    for (int64_t i = 0; i < SWAP; i++)
        for (int64_t j = 0; j < SWAP; j++)
            pare_element_keep(&b->small, i, j, j % 2);
    return pare_swap_refine(b->a, b->gram, &(pare_swap){.cycles = 50}, &b->small, &result);
}

static pare_status tokenize(bench *b, int variant) {
    (void)variant;
    uint32_t *ids;
    size_t count;
    PARE_TRY(pare_tokenizer_encode(b->tokenizer, b->text, b->text_bytes, &ids, &count));
    pare_ids_free(ids);
    return PARE_OK;
}

static pare_status write_checkpoint(bench *b, int variant) {
    (void)variant;
    uint64_t bytes = (uint64_t)elements * sizeof *b->a;
    pare_declaration tensor = {.name = "weight", .dtype = PARE_DTYPE_F32, .rank = 1, .shape = {(uint64_t)elements}};
    pare_writer *writer;
    PARE_TRY(pare_writer_begin(b->folder, &tensor, 1, 0, &writer));
    pare_status status = pare_writer_write(writer, b->a, bytes);
    if (status == PARE_OK) status = pare_writer_finish(writer);
    pare_writer_close(writer);
    char *path = pare_path_join(b->folder, "model.safetensors");
    unlink(path);
    free(path);
    return status;
}

/* A variant is a row; TEXT, EXAMPLES and OUT stand for files in the folder. */
static const char *const commands[][16] = {
    {"eval", "MODEL", "--text", "TEXT"},
    {"prune", "MODEL", "--dry-run", "--method", "taylor", "--ratio", "0.25", "--calib", "TEXT", "--samples", "64"},
    {"prune", "MODEL", "--dry-run", "--method", "moreau-gs", "--steps", "5", "--ratio", "0.25", "--calib", "TEXT"},
    {"prune", "MODEL", "--dry-run", "--ratio", "0.25", "--calib", "TEXT"},
    {"prune", "MODEL", "--dry-run", "--method", "sparsegpt", "--sparsity", "0.5", "--calib", "TEXT"},
    {"prune", "MODEL", "--dry-run", "--sparsity", "0.5", "--calib", "TEXT", "--samples", "32"},
    {"prune", "MODEL", "--dry-run", "--ratio", "0.25", "--calib", "self", "--samples", "8"},
    {"generate", "MODEL", "--prompt", "once upon a time", "--tokens", "250", "--seed", "1"},
    {"recover", "MODEL", "--data", "EXAMPLES", "--steps", "2", "-o", "OUT"},
};

static pare_status run_command(bench *b, int variant) {
    char *text = pare_path_join(b->folder, "text.txt"), *examples = pare_path_join(b->folder, "examples.json");
    char *out = pare_format("%s/out-%d", b->folder, b->outputs++), *arguments[20] = {(char *)(uintptr_t)b->pare};
    for (int i = 0; commands[variant][i]; i++) {
        const char *word = commands[variant][i];
        arguments[i + 1] = strcmp(word, "MODEL") == 0      ? (char *)(uintptr_t)b->model
                           : strcmp(word, "TEXT") == 0     ? text
                           : strcmp(word, "EXAMPLES") == 0 ? examples
                           : strcmp(word, "OUT") == 0      ? out
                                                           : (char *)(uintptr_t)word;
    }
    posix_spawn_file_actions_t quiet;
    posix_spawn_file_actions_init(&quiet);
    posix_spawn_file_actions_addopen(&quiet, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&quiet, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    pid_t child;
    int state = -1;
    bool ran = posix_spawn(&child, b->pare, &quiet, NULL, arguments, environ) == 0 && waitpid(child, &state, 0) > 0;
    posix_spawn_file_actions_destroy(&quiet);
    free(text);
    free(examples);
    free(out);
    if (ran && WIFEXITED(state) && WEXITSTATUS(state) == 0) return PARE_OK;
    return pare_fail(PARE_FILE_ERROR, "%s %s does not run", b->pare, commands[variant][0]);
}

typedef struct row {
    const char *name;
    work_fn run;
    int variant;
    reference reference;
    double work; /* nominal, in the reference's unit; its absolute value says nothing, its ratio over time does */
    bool bf16;
} row;

#define FORWARD_FLOPS (2.0 * (double)TOKENS * (double)FFN * (double)HIDDEN)
#define ATTENTION_FLOPS (2.0 * (double)TOKENS * 128 * (double)HIDDEN)
#define COMMAND(name, variant)                                                                                         \
    { name, run_command, variant, PRODUCT, 1e10, false }

static const row rows[] = {
    {"matmul-forward-fp32", matmul, 0, PRODUCT, FORWARD_FLOPS, false},
    {"matmul-dx-fp32", matmul, 1, PRODUCT, FORWARD_FLOPS, false},
    {"matmul-dw-fp32", matmul, 2, PRODUCT, FORWARD_FLOPS, false},
    {"matmul-one-row-fp32", matmul, 3, COPY, 4.0 * (double)FFN *(double)HIDDEN, false},
    {"matmul-forward-bf16", matmul, 0, PRODUCT, FORWARD_FLOPS, true},
    {"matmul-dx-bf16", matmul, 1, PRODUCT, FORWARD_FLOPS, true},
    {"matmul-dw-bf16", matmul, 2, PRODUCT, FORWARD_FLOPS, true},
    {"matmul-one-row-bf16", matmul, 3, COPY, 2.0 * (double)FFN *(double)HIDDEN, true},
    {"attention-forward-fp32", attention_pass, 0, PRODUCT, ATTENTION_FLOPS, false},
    {"attention-backward-fp32", attention_pass, 1, PRODUCT, 2.5 * ATTENTION_FLOPS, false},
    {"attention-forward-bf16", attention_pass, 0, PRODUCT, ATTENTION_FLOPS, true},
    {"attention-backward-bf16", attention_pass, 1, PRODUCT, 2.5 * ATTENTION_FLOPS, true},
    {"swiglu-forward", elementwise, 0, COPY, 12.0 * (double)TOKENS *(double)FFN, false},
    {"swiglu-backward", elementwise, 1, COPY, 20.0 * (double)TOKENS *(double)FFN, false},
    {"rmsnorm-forward", elementwise, 2, COPY, 8.0 * (double)FFN *(double)HIDDEN, false},
    {"rmsnorm-backward", elementwise, 3, COPY, 16.0 * (double)FFN *(double)HIDDEN, false},
    {"noise", noise, 0, COPY, 4.0 * (double)FFN *(double)HIDDEN, false},
    {"mask-rows", select_elements, 0, COPY, 4.0 * (double)HIDDEN *(double)HIDDEN, false},
    {"mask-matrix", select_elements, 1, COPY, 4.0 * (double)HIDDEN *(double)HIDDEN, false},
    {"mask-2-of-4", select_elements, 2, COPY, 4.0 * (double)HIDDEN *(double)HIDDEN, false},
    {"swap", swap, 0, PRODUCT, 2.0 * (double)SWAP *(double)SWAP *(double)SWAP, false},
    {"tokenizer", tokenize, 0, HASH, 1, false},
    {"write-checkpoint", write_checkpoint, 0, PLAIN_FILE, 1, false},
    COMMAND("command-eval", 0),
    COMMAND("command-taylor", 1),
    COMMAND("command-moreau-gs", 2),
    COMMAND("command-best", 3),
    COMMAND("command-sparsegpt", 4),
    COMMAND("command-best-sparse", 5),
    COMMAND("command-best-self", 6),
    COMMAND("command-generate", 7),
    COMMAND("command-recover", 8),
};

/* Seconds of one call. Short ones are repeated. */
static pare_status time_call(bench *b, work_fn run, int variant, double least, double *seconds) {
    double start = pare_clock(), passed;
    int calls = 0;
    do {
        PARE_TRY(run(b, variant));
        calls++;
        passed = pare_clock() - start;
    } while (passed < least);
    *seconds = passed / calls;
    return PARE_OK;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The inputs as they were, for whichever row runs before. */
static void fill(bench *b) {
    float *buffers[] = {b->a, b->b, b->c, b->d};
    for (uint64_t i = 0; i < 4; i++)
        pare_normal_fill(buffers[i], 1, 0, i, 0, (size_t)elements);
    void *operands[] = {b->x, b->y, b->z};
    for (int i = 0; i < 3; i++)
        b->backend->operations->to_operand(b->backend, buffers[i], elements, operands[i]);
    if (b->backend->operand == PARE_DTYPE_F32)
        for (int64_t i = 0; i < HIDDEN; i++)
            b->d[i] = 1.0f;
}

static bool is_named(const char *name, char **names) {
    for (; *names; names++) {
        size_t length = strlen(*names);
        if (strcmp(name, *names) == 0) return true;
        if (length && (*names)[length - 1] == '-' && strncmp(name, *names, length) == 0) return true;
    }
    return false;
}

static pare_status measure(bench *b, const row *r) {
    double ratios[KERNEL_ROUNDS], before, after, own;
    int rounds = r->run == run_command ? COMMAND_ROUNDS : KERNEL_ROUNDS;
    double least = r->run == run_command ? shortest_beside_command : shortest;
    work_fn other = references[r->reference].run;
    b->backend = r->bf16 ? b->bf16 : b->fp32;
    fill(b);
    if (r->run != run_command) PARE_TRY(r->run(b, r->variant));
    PARE_TRY(other(b, 0));
    for (int i = 0; i < rounds; i++) {
        PARE_TRY(time_call(b, other, 0, least, &before));
        PARE_TRY(time_call(b, r->run, r->variant, shortest, &own));
        PARE_TRY(time_call(b, other, 0, least, &after));
        ratios[i] = r->work / own * 0.5 * (before + after) / reference_work(b, r->reference);
    }
    qsort(ratios, (size_t)rounds, sizeof *ratios, by_value);
    printf("%s,%.4g,%s\n", r->name, ratios[rounds / 2], references[r->reference].name);
    fflush(stdout);
    return PARE_OK;
}

static pare_status bench_open(bench *b) {
    b->threads = pare_machine_threads("");
    PARE_TRY(pare_backend_open_cpu(PARE_COMPUTE_FP32, 0, &b->fp32));
    PARE_TRY(pare_backend_open_cpu(PARE_COMPUTE_BF16, 0, &b->bf16));
    if (PRODUCT_ROWS * (int64_t)b->threads > FFN) b->threads = FFN / PRODUCT_ROWS;
    float **buffers[] = {&b->a, &b->b, &b->c, &b->d};
    for (size_t i = 0; i < 4; i++)
        PARE_TRY(pare_alloc(buffers[i], (size_t)elements, sizeof(float), "benchmark"));
    void **operands[] = {&b->x, &b->y, &b->z};
    for (size_t i = 0; i < 3; i++)
        PARE_TRY(pare_alloc(operands[i], (size_t)elements, sizeof(float), "benchmark"));
    PARE_TRY(pare_alloc(&b->gram, (size_t)HIDDEN * HIDDEN, sizeof(float), "benchmark"));
    pare_normal_fill(b->gram, 1, 0, 9, 0, (size_t)HIDDEN * HIDDEN);
    for (int64_t i = 0; i < (int64_t)HIDDEN * HIDDEN; i++)
        b->gram[i] = fabsf(b->gram[i]);
    /* The first SWAP x SWAP make a Gram matrix: neighbours are alike, and the diagonal is heavy. */
    for (int64_t i = 0; i < SWAP; i++)
        for (int64_t j = 0; j < SWAP; j++)
            b->gram[i * SWAP + j] = powf(0.9f, fabsf((float)(i - j)));
    PARE_TRY(pare_element_mask_new(HIDDEN, HIDDEN, &b->mask));
    PARE_TRY(pare_element_mask_new(SWAP, SWAP, &b->small));
    PARE_TRY(pare_tokenizer_open(b->model, &b->tokenizer));
    char *path = pare_path_join(b->folder, "text.txt");
    pare_status status = pare_file_read(path, UINT64_MAX - 1, &b->text, &b->text_bytes);
    free(path);
    return status;
}

static void bench_close(bench *b) {
    void *all[] = {b->a, b->b, b->c, b->d, b->x, b->y, b->z, b->gram, b->text};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        pare_free(all[i]);
    pare_element_mask_free(&b->mask);
    pare_element_mask_free(&b->small);
    pare_tokenizer_close(b->tokenizer);
    pare_backend_close(b->fp32);
    pare_backend_close(b->bf16);
}

int main(int argc, char **argv) {
    if (argc < 4) {
        fprintf(stderr, "usage: bench_regression PARE MODEL FOLDER [NAME...]\n");
        return 2;
    }
    bench b = {.pare = argv[1], .model = argv[2], .folder = argv[3]};
    bool known = argc < 5, failed = false;
    pare_status status = bench_open(&b);
    if (status != PARE_OK) fprintf(stderr, "bench_regression: %s\n", pare_message());
    if (status == PARE_OK) printf("%s\n", cpu_kind());
    for (size_t i = 0; status == PARE_OK && i < sizeof rows / sizeof *rows; i++) {
        if (argc > 4 && !is_named(rows[i].name, argv + 4)) continue;
        known = true;
        if (measure(&b, &rows[i]) == PARE_OK) continue;
        fprintf(stderr, "bench_regression: %s: %s\n", rows[i].name, pare_message());
        failed = true;
    }
    if (!known && status == PARE_OK) {
        fprintf(stderr, "bench_regression: there is no %s; the names are in bench/regression.csv\n", argv[4]);
        return 2;
    }
    bench_close(&b);
    return status == PARE_OK && !failed ? 0 : 1;
}
