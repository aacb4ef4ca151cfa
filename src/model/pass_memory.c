/* How much a pass holds, and getting it. */
#include "model/block_experts.h"
#include "model/ends.h"
#include "model/latent_tensors.h"
#include "model/teaching.h"
#include "support/memory.h"
#include "support/order.h"

/* Elements of the widest matrix of each role over all layers. */
static void widest_matrices(const pare_model *model, int64_t elements[PARE_MATRIX_ROLES]) {
    for (int role = 0; role < PARE_MATRIX_ROLES; role++) {
        elements[role] = 0;
        for (uint32_t layer = 0; layer < model->config.layers; layer++) {
            int64_t count = (int64_t)model->tensors[pare_tensor_id(layer, (pare_role)role)]->count;
            elements[role] = count > elements[role] ? count : elements[role];
        }
    }
}

/* True unless every matrix of the role can be used as it is mapped. */
static bool role_is_composed(const pare_model *model, const pare_backend *backend, const pare_pass_shape *shape,
                             int role) {
    pare_source plain = {.model = model, .backend = backend};
    for (uint32_t layer = 0; layer < model->config.layers; layer++)
        if (shape->composed || !pare_source_is_mapped(&plain, pare_tensor_id(layer, (pare_role)role))) return true;
    return false;
}

static int64_t longest_vector(const pare_model *model) {
    int64_t longest = model->config.hidden;
    for (uint32_t layer = 0; layer < model->config.layers; layer++)
        for (pare_role role = PARE_MATRIX_ROLES; role < PARE_ALL_ROLES; role++) {
            int64_t columns = pare_tensor_columns(pare_model_tensor(model, layer, role));
            longest = columns > longest ? columns : longest;
        }
    return longest;
}

/* Room for rows of dW in flight: at least one row of any matrix and a vector, at most the largest matrix; with samples,
 * three times as much at least and at most, in parts that begin on a cache line. */
static int64_t chunk_elements(const pare_model *model, bool samples) {
    int64_t longest = longest_vector(model), largest = 0, wanted = PARE_GRADIENT_CHUNK_BYTES / (int64_t)sizeof(float);
    for (uint32_t layer = 0; layer < model->config.layers; layer++)
        for (int role = 0; role < PARE_MATRIX_ROLES; role++) {
            int64_t rows, columns;
            pare_tensor_matrix(model->tensors[pare_tensor_id(layer, (pare_role)role)], &rows, &columns);
            longest = columns > longest ? columns : longest;
            largest = rows * columns > largest ? rows * columns : largest;
        }
    const pare_experts *experts = &model->config.experts;
    int64_t expert =
        (int64_t)model->config.hidden * (experts->width > experts->count ? experts->width : experts->count);
    if (experts->count) {
        uint32_t wider = experts->biased && experts->count > experts->width ? experts->count : experts->width;
        longest = (int64_t)wider > longest ? (int64_t)wider : longest;
        largest = expert > largest ? expert : largest;
    }
    int64_t parts = samples ? PARE_SAMPLES_PARTS : 1, part = wanted / parts;
    part = part < largest ? part : largest;
    part = longest > part ? longest : part;
    return samples ? (part + 15) / 16 * 16 * parts : part;
}

/* Rows that a tile of the head gathers. */
static uint64_t gathered_tokens(const pare_pass_shape *shape) {
    int64_t tokens = shape->sequences * shape->length;
    return (uint64_t)(tokens < PARE_HEAD_TOKENS ? tokens : PARE_HEAD_TOKENS);
}

static pare_adapter_shape adapter_shape(const pare_pass_shape *shape, int64_t micro_batch) {
    return (pare_adapter_shape){.tokens = micro_batch * shape->length,
                                .rank = shape->rank,
                                .dropout = shape->dropout,
                                .backward = shape->gradients};
}

/* Gradients of weights are made. */
static bool has_sink(const pare_pass_shape *shape) {
    return shape->gradients && !shape->frozen;
}

typedef struct fixed_sizes {
    uint64_t weights, per_token, head, sums;
} fixed_sizes;

/* The role is a matrix's bias, and something is asked of its gradients in every sample. */
static bool has_bias_samples(const pare_model *model, const pare_pass_shape *shape, pare_role role) {
    return shape->samples && pare_role_is_bias(role) && pare_role_is_matrix(pare_roles[role].of) &&
           pare_has_role(&model->config.architecture, role);
}

/* Of the vectors of a layer, and of the final norm's. */
static uint64_t vector_sums_bytes(const pare_model *model, const pare_pass_shape *shape) {
    uint64_t vectors = 0;
    for (pare_role role = PARE_MATRIX_ROLES; role < PARE_ALL_ROLES; role++)
        vectors += (uint64_t)pare_has_role(&model->config.architecture, role) + has_bias_samples(model, shape, role);
    return (vectors * (uint64_t)longest_vector(model) + 2 * model->config.hidden) * sizeof(double);
}

/* What adds up at a time in front of the blocks and behind them. */
static uint64_t end_sums_bytes(const pare_model *model, uint64_t head_rows) {
    const pare_config *config = &model->config;
    uint64_t most = head_rows * (config->head_width + 1);
    static const pare_end ends[] = {PARE_END_POSITIONS, PARE_END_PROJECT_IN, PARE_END_PROJECT_OUT};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (pare_has_end(&config->architecture, ends[i]))
            most = pare_larger_bytes(most, model->tensors[pare_tensor_id_end(model, ends[i])]->count);
    return pare_larger_bytes(most * sizeof(float), 2 * (uint64_t)config->hidden * sizeof(double));
}

static uint64_t latent_sums_elements(const pare_config *config) {
    return (uint64_t)config->latent.queries * config->hidden;
}

static fixed_sizes measure_fixed(const pare_model *model, const pare_backend *backend, const pare_pass_shape *shape) {
    const pare_config *config = &model->config;
    uint64_t d = config->hidden, e = config->head_width, operand = pare_operand_size(backend);
    uint64_t rows = config->vocabulary < PARE_HEAD_VOCABULARY ? config->vocabulary : PARE_HEAD_VOCABULARY;
    int64_t matrices[PARE_MATRIX_ROLES];
    widest_matrices(model, matrices);
    uint64_t gathered = gathered_tokens(shape) * e * operand;
    fixed_sizes sizes = {.head = rows * e * operand + PARE_HEAD_TOKENS * rows * sizeof(float) + gathered};
    for (int role = 0; role < PARE_MATRIX_ROLES; role++) {
        if (role_is_composed(model, backend, shape, role)) sizes.weights += (uint64_t)matrices[role] * operand;
        sizes.sums += (uint64_t)matrices[role] * sizeof(float);
    }
    sizes.sums += (pare_expert_sums_elements(config) + latent_sums_elements(config)) * sizeof(float);
    if (shape->samples) sizes.sums *= 2;
    uint64_t inputs = pare_pass_keeps_inputs(shape) ? config->layers + 1 : 1;
    sizes.per_token = inputs * d * sizeof(float) + e * operand + 48 + (shape->taught ? PARE_TEACHING_BYTES : 0);
    sizes.head +=
        pare_embed_floats(config, shape->sequences * shape->length, shape->length, has_sink(shape)) * sizeof(float);
    sizes.head += pare_position_tables_bytes(config, shape->length);
    sizes.head += (pare_config_vector_elements(config) + 2 * d) * sizeof(float);
    if (pare_has_end(&config->architecture, PARE_END_HEAD_BIAS)) sizes.head += 2 * config->vocabulary * sizeof(float);
    if (shape->gradients) {
        sizes.per_token += (d + e) * sizeof(float);
        sizes.head += shape->frozen ? 0 : vector_sums_bytes(model, shape);
        sizes.head += PARE_HEAD_TOKENS * rows * operand + (shape->frozen ? 0 : rows * e * sizeof(float));
    }
    return sizes;
}

/* Mapped weights are counted as if they were in memory, unless all blocks must be kept: reading them again would cost
 * more than running a block again. */
static pare_status keep_blocks(const pare_model *model, const pare_backend *backend, const pare_pass_shape *shape,
                               uint64_t total, pare_pass_memory *out) {
    pare_adapter_shape adapters = adapter_shape(shape, out->micro_batch);
    uint64_t bytes = pare_kept_block_bytes(backend, &model->config, &adapters);
    uint64_t taken = total + (shape->keep == PARE_KEPT_ALL ? 0 : pare_model_bytes(model));
    uint64_t free = !shape->limit ? UINT64_MAX : shape->limit > taken ? shape->limit - taken : 0;
    pare_shards shards = pare_pass_shards_of(shape);
    int64_t parts = pare_shards_batches(&shards, shards.first, shards.last, out->micro_batch);
    out->blocks = shape->gradients ? parts * (int64_t)model->config.layers : 0;
    if (shape->keep != PARE_KEPT_NONE)
        out->kept = (uint64_t)out->blocks > free / bytes ? (int64_t)(free / bytes) : out->blocks;
    if (shape->keep == PARE_KEPT_ALL && out->kept < out->blocks)
        return pare_fail(PARE_OUT_OF_MEMORY,
                         "keeping the activations of all %lld blocks of work needs %.1f MiB in all, but the limit is "
                         "%.1f MiB; raise --memory, or give --keep-activations auto to keep as many as there is room "
                         "for",
                         (long long)out->blocks, (double)(total + (uint64_t)out->blocks * bytes) / 1048576.0,
                         (double)shape->limit / 1048576.0);
    out->activations += (uint64_t)out->kept * bytes;
    return PARE_OK;
}

/* What a rank holds: what is kept of its own tokens, and sums of its own shards. How the work is cut does not depend on
 * that, so that the same comes out for any number of ranks. */
static void take_share(const pare_shards *shards, uint64_t per_sequence, uint64_t summed, pare_pass_memory *out) {
    out->activations -= per_sequence * (uint64_t)(shards->sequences - pare_shards_own(shards));
    out->gradients += pare_shard_sums_more_bytes(shards, summed);
}

void pare_pass_memory_plan(const pare_pass_memory *memory, pare_plan *plan) {
    plan->weights = memory->weights;
    plan->activations = memory->activations;
    plan->gradients = memory->gradients;
    plan->micro_batch = (uint64_t)memory->micro_batch;
    plan->blocks = (uint64_t)memory->blocks;
    plan->kept = (uint64_t)memory->kept;
}

pare_status pare_pass_measure(const pare_model *model, const pare_backend *backend, const pare_pass_shape *shape,
                              pare_pass_memory *out) {
    fixed_sizes fixed = measure_fixed(model, backend, shape);
    uint64_t tokens = (uint64_t)(shape->sequences * shape->length);
    uint64_t base = fixed.weights + fixed.head + fixed.per_token * tokens;
    pare_shards shards = pare_pass_shards_of(shape);
    int64_t most = pare_shard_most(&shards), micro = shape->micro_batch ? shape->micro_batch : most;
    int64_t chunk = shape->frozen ? 0 : chunk_elements(model, shape->samples);
    uint64_t rows = model->config.vocabulary < PARE_HEAD_VOCABULARY ? model->config.vocabulary : PARE_HEAD_VOCABULARY;
    uint64_t summed = has_sink(shape)
                          ? pare_larger_bytes(fixed.sums + vector_sums_bytes(model, shape), end_sums_bytes(model, rows))
                          : 0;
    if (shards.count > 1 && micro > most) micro = most;
    for (;; micro = (micro + 1) / 2) {
        bool split = has_sink(shape) && micro < shape->sequences;
        pare_adapter_shape adapters = adapter_shape(shape, micro);
        uint64_t block = pare_adapter_room_bytes(backend, &model->config, &adapters);
        block += pare_activations_bytes(backend, &model->config, micro * shape->length, shape->gradients);
        block += pare_attention_workspace_bytes(backend, &model->config, micro, shape->length, shape->gradients);
        if (shape->observed && !pare_pass_keeps_inputs(shape))
            block += (uint64_t)(micro * shape->length) * model->config.hidden * sizeof(float);
        uint64_t gradients = (shape->gradients ? (uint64_t)chunk * sizeof(float) : 0) + (split ? fixed.sums : 0);
        gradients += pare_shard_sums_bytes(&shards, summed);
        uint64_t total = base + block + gradients;
        *out = (pare_pass_memory){.weights = fixed.weights,
                                  .activations = fixed.head + fixed.per_token * tokens + block,
                                  .gradients = gradients,
                                  .micro_batch = micro,
                                  .gradient_elements = chunk};
        if (!shape->limit || total <= shape->limit) {
            take_share(&shards, fixed.per_token * (uint64_t)shape->length, summed, out);
            total = out->weights + out->activations + out->gradients;
            if (!shape->limit || total <= shape->limit) return keep_blocks(model, backend, shape, total, out);
            return pare_fail(PARE_OUT_OF_MEMORY,
                             "a rank's sums of gradients, of %d shards, bring what it holds to %.1f MiB, but the limit "
                             "is %.1f MiB; raise --memory, or take more ranks",
                             shards.last - shards.first, (double)total / 1048576.0, (double)shape->limit / 1048576.0);
        }
        if (micro <= 1 || shape->micro_batch)
            return pare_fail(
                PARE_OUT_OF_MEMORY,
                "%lld sequences of %lld tokens need %.1f MiB even one at a time, but the limit is %.1f MiB; "
                "raise --memory or lower --samples%s",
                (long long)shape->sequences, (long long)shape->length, (double)total / 1048576.0,
                (double)shape->limit / 1048576.0, pare_reads_pictures(&model->config) ? "" : " or --length");
    }
}

static pare_status allocate_stack(pare_pass *pass, const pare_pass_memory *plan) {
    const pare_model *model = pass->model;
    const pare_config *config = &model->config;
    size_t d = config->hidden, operand = pare_operand_size(pass->backend);
    size_t tokens = (size_t)(pass->shape.sequences * pass->shape.length);
    bool kept = pare_pass_keeps_inputs(&pass->shape);
    size_t inputs = kept ? config->layers + 1 : 1;
    int64_t matrices[PARE_MATRIX_ROLES];
    widest_matrices(model, matrices);
    PARE_TRY(pare_position_tables_new(config, pass->shape.length, &pass->positions));
    PARE_TRY(pare_alloc_uninitialized(&pass->inputs, inputs * tokens * d, sizeof(float), "block inputs"));
    if (pass->shape.observed && !kept)
        PARE_TRY(pare_alloc_uninitialized(&pass->observed, (size_t)(plan->micro_batch * pass->shape.length) * d,
                                          sizeof(float), "block input"));
    PARE_TRY(pare_alloc_uninitialized(&pass->final, tokens * config->head_width, operand, "final norm"));
    PARE_TRY(pare_alloc_uninitialized(&pass->final_inverse, tokens, sizeof(float), "final norm"));
    PARE_TRY(pare_alloc_uninitialized(&pass->final_norm, 2 * d, sizeof(float), "final norm"));
    PARE_TRY(pare_alloc_uninitialized(&pass->vectors, pare_config_vector_elements(config), sizeof(float), "norms"));
    for (int role = 0; role < PARE_MATRIX_ROLES; role++)
        if (role_is_composed(model, pass->backend, &pass->shape, role))
            PARE_TRY(pare_alloc_uninitialized(&pass->matrices[role], (size_t)matrices[role], operand, "block weights"));
    pare_adapter_shape adapters = adapter_shape(&pass->shape, plan->micro_batch);
    PARE_TRY(pare_adapter_room_new(pass->backend, config, &adapters, &pass->adapter_room));
    PARE_TRY(pare_activations_new(pass->backend, config, plan->micro_batch * pass->shape.length, pass->shape.gradients,
                                  &pass->activations));
    const pare_block shared = {.activations = &pass->activations, .adapter_room = &pass->adapter_room};
    return pare_kept_new(pass->backend, config, &adapters, &shared, plan->kept, &pass->kept);
}

static pare_status allocate_head(pare_pass *pass) {
    const pare_config *config = &pass->model->config;
    size_t d = config->hidden, e = config->head_width, operand = pare_operand_size(pass->backend);
    size_t tokens = (size_t)(pass->shape.sequences * pass->shape.length);
    size_t rows = config->vocabulary < PARE_HEAD_VOCABULARY ? config->vocabulary : PARE_HEAD_VOCABULARY;
    PARE_TRY(pare_alloc_uninitialized(&pass->targets, tokens, sizeof *pass->targets, "targets"));
    PARE_TRY(pare_alloc_uninitialized(&pass->predicted, tokens, sizeof *pass->predicted, "targets"));
    PARE_TRY(pare_alloc_uninitialized(&pass->gathered, gathered_tokens(&pass->shape) * e, operand, "final norm"));
    PARE_TRY(pare_alloc_uninitialized(&pass->maximum, tokens, sizeof(float), "loss"));
    PARE_TRY(pare_alloc_uninitialized(&pass->sum, tokens, sizeof(double), "loss"));
    PARE_TRY(pare_alloc_uninitialized(&pass->target_logit, tokens, sizeof(float), "loss"));
    PARE_TRY(pare_alloc_uninitialized(&pass->logsum, tokens, sizeof(float), "loss"));
    PARE_TRY(pare_alloc_uninitialized(&pass->logits, PARE_HEAD_TOKENS * rows, sizeof(float), "logits"));
    PARE_TRY(pare_alloc_uninitialized(&pass->head_rows, rows * e, operand, "LM head rows"));
    if (pare_has_end(&config->architecture, PARE_END_HEAD_BIAS))
        PARE_TRY(pare_alloc_uninitialized(&pass->head_bias, config->vocabulary, sizeof(float), "LM head"));
    if (pass->shape.taught) PARE_TRY(pare_teaching_new(tokens, &pass->teaching));
    if (!pass->shape.gradients) return PARE_OK;
    PARE_TRY(pare_alloc_uninitialized(&pass->dx, tokens * d, sizeof(float), "gradient of the residual stream"));
    PARE_TRY(pare_alloc_uninitialized(&pass->dfinal, tokens * e, sizeof(float), "gradient of the final norm"));
    PARE_TRY(pare_alloc_uninitialized(&pass->dlogits, PARE_HEAD_TOKENS * rows, operand, "gradient of the logits"));
    if (!pass->shape.frozen)
        PARE_TRY(pare_alloc_uninitialized(&pass->head_gradient, rows * e, sizeof(float), "gradient of the LM head"));
    return pare_alloc_uninitialized(&pass->order, tokens, sizeof *pass->order, "token order");
}

/* What adds up over micro-batches beside the sums of roles. */
static pare_status allocate_other_sums(const pare_config *config, bool samples, pare_block_gradients *g) {
    struct {
        float **sums;
        uint64_t elements;
        bool of_samples;
    } all[] = {{&g->expert_sums, pare_expert_sums_elements(config), false},
               {&g->latent_sums, latent_sums_elements(config), false},
               {&g->expert_sample_sums, pare_expert_sums_elements(config), true},
               {&g->latent_sample_sums, latent_sums_elements(config), true}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (!all[i].of_samples || samples)
            PARE_TRY(pare_alloc_uninitialized(all[i].sums, (size_t)all[i].elements, sizeof(float), "weight gradients"));
    return PARE_OK;
}

static pare_status allocate_gradients(pare_pass *pass, const pare_pass_memory *plan) {
    pare_block_gradients *g = &pass->gradients;
    if (!has_sink(&pass->shape)) return PARE_OK;
    int64_t matrices[PARE_MATRIX_ROLES];
    widest_matrices(pass->model, matrices);
    g->chunk_elements = plan->gradient_elements;
    bool split = plan->micro_batch < pass->shape.sequences || pass->shards.count > 1;
    if (split) PARE_TRY(allocate_other_sums(&pass->model->config, pass->shape.samples, g));
    PARE_TRY(pare_alloc_uninitialized(&g->chunk, (size_t)g->chunk_elements, sizeof(float), "weight gradients"));
    for (pare_role role = 0; role < PARE_ALL_ROLES; role++)
        if (!pare_role_is_matrix(role) && pare_has_role(&pass->model->config.architecture, role))
            PARE_TRY(pare_alloc(&g->vector_sums[role], (size_t)longest_vector(pass->model), sizeof(double),
                                "norm gradients"));
    for (pare_role role = PARE_MATRIX_ROLES; role < PARE_ALL_ROLES; role++)
        if (has_bias_samples(pass->model, &pass->shape, role))
            PARE_TRY(pare_alloc(&g->bias_samples[pare_roles[role].of], (size_t)longest_vector(pass->model),
                                sizeof(double), "bias gradients of samples"));
    PARE_TRY(pare_alloc(&g->final_sums, 2 * (size_t)pass->model->config.hidden, sizeof(double), "norm gradients"));
    for (int role = 0; role < PARE_MATRIX_ROLES && split; role++) {
        PARE_TRY(pare_alloc_uninitialized(&g->sums[role], (size_t)matrices[role], sizeof(float), "weight gradients"));
        if (pass->shape.samples)
            PARE_TRY(pare_alloc_uninitialized(&g->sample_sums[role], (size_t)matrices[role], sizeof(float),
                                              "weight gradients of samples"));
    }
    return PARE_OK;
}

pare_status pare_pass_new(const pare_model *model, const pare_backend *backend, const pare_pass_shape *shape,
                          pare_pass **out) {
    pare_pass_memory plan;
    *out = NULL;
    PARE_TRY(pare_pass_measure(model, backend, shape, &plan));
    pare_pass *pass;
    PARE_TRY(pare_alloc(&pass, 1, sizeof *pass, "pass"));
    pass->model = model;
    pass->backend = backend;
    pass->shape = *shape;
    pass->shards = pare_pass_shards_of(shape);
    pass->shape.sequences = pare_shards_own(&pass->shards);
    pass->shape.micro_batch = plan.micro_batch;
    pass->micro_batch = plan.micro_batch;
    pass->layout.length = shape->length;
    pare_residency_open(model, &pass->residency);
    pare_status status = allocate_stack(pass, &plan);
    if (status == PARE_OK) status = allocate_head(pass);
    if (status == PARE_OK) status = allocate_gradients(pass, &plan);
    if (status != PARE_OK) {
        pare_pass_free(pass);
        return status;
    }
    *out = pass;
    return PARE_OK;
}

const pare_pass_shape *pare_pass_shape_of(const pare_pass *pass) {
    return &pass->shape;
}
