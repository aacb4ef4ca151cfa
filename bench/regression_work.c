#include "regression_work.h"

#include "checkpoint/writer.h"
#include "select/swap.h"
#include "support/file.h"
#include "support/memory.h"
#include "support/product.h"
#include "support/random.h"

#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static pare_status multiply(bench *b, int variant) {
    (void)variant;
    pare_product(PRODUCT_ROWS * (int64_t)b->threads, SIDE, HIDDEN, 1.0f, (pare_rows){b->a, HIDDEN},
                 (pare_rows){b->b, SIDE}, 0.0f, b->c, SIDE);
    return PARE_OK;
}

static pare_status copy(bench *b, int variant) {
    (void)variant;
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < FFN; i++)
        memcpy(b->d + i * HIDDEN, b->a + i * HIDDEN, HIDDEN * sizeof(float));
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
    bool fine = file >= 0 && write(file, b->a, (size_t)ELEMENTS * sizeof *b->a) > 0;
    fine = fine && fsync(file) == 0;
    if (file >= 0) close(file);
    unlink(path);
    pare_status status = fine ? PARE_OK : pare_fail(PARE_FILE_ERROR, "%s: cannot be written", path);
    free(path);
    return status;
}

const reference_row references[] = {[PRODUCT] = {"product of OpenBLAS", multiply},
                                    [COPY] = {"copy", copy},
                                    [HASH] = {"byte-wise hash", hash},
                                    [PLAIN_FILE] = {"plain file", plain_file}};

double reference_work(const bench *b, reference r) {
    if (r == PRODUCT) return 2.0 * (double)PRODUCT_ROWS * b->threads * (double)SIDE * (double)HIDDEN;
    return r == COPY ? 8.0 * (double)ELEMENTS : 1.0;
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
    if (variant == 0)
        o->gated_forward(b->backend, (pare_gating){.activation = PARE_ACTIVATION_SILU}, b->a, b->b, n, b->x);
    if (variant == 1)
        o->gated_backward(b->backend, (pare_gating){.activation = PARE_ACTIVATION_SILU}, b->a, b->b, b->c, n, b->x,
                          b->y);
    if (variant == 2) o->norm_forward(b->backend, &norm, b->a, FFN, HIDDEN, b->x, false, b->d);
    if (variant == 3) o->norm_backward(b->backend, &norm, b->a, b->d, b->b, FFN, HIDDEN, b->c, true, NULL, NULL);
    return PARE_OK;
}

static pare_status noise(bench *b, int variant) {
    (void)variant;
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < FFN; i++)
        pare_normal_fill(b->d + i * HIDDEN, 1, 2, 3, (uint64_t)i * HIDDEN, HIDDEN);
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
    uint64_t bytes = (uint64_t)ELEMENTS * sizeof *b->a;
    pare_declaration tensor = {.name = "weight", .dtype = PARE_DTYPE_F32, .rank = 1, .shape = {(uint64_t)ELEMENTS}};
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

pare_status run_command(bench *b, int variant) {
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

#define FORWARD_FLOPS (2.0 * (double)TOKENS * (double)FFN * (double)HIDDEN)
#define ATTENTION_FLOPS (2.0 * (double)TOKENS * 128 * (double)HIDDEN)
#define COMMAND(name, variant)                                                                                         \
    { name, run_command, variant, PRODUCT, 1e10, false }

const row rows[] = {
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

const size_t row_count = sizeof rows / sizeof *rows;
