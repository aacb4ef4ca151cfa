#include "model/ends.h"
#include "model/expert_tensors.h"
#include "model/latent_tensors.h"
#include "model/layer_matrices.h"
#include "model/pass_internal.h"
#include "model/stops.h"
#include "model/teaching.h"
#include "support/memory.h"

#include <math.h>
#include <string.h>

void pare_pass_on_step(pare_pass *pass, pare_pass_step_fn step, void *context) {
    pass->step = step;
    pass->step_context = context;
}

void pare_pass_on_block(pare_pass *pass, pare_pass_block_fn observe, void *context) {
    pass->observe = observe;
    pass->observe_context = context;
}

static bool skips(const pare_source *source, int64_t layer) {
    return source->skip_layer && source->skip_layer[layer];
}

void pare_pass_observe(pare_pass *pass, const pare_observer *observer) {
    pass->inputs_observer = observer;
}

const void *pare_pass_final(const pare_pass *pass, int64_t *tokens) {
    *tokens = pare_pass_tokens(pass);
    return pass->final;
}

void pare_pass_adapt(pare_pass *pass, const pare_adapters *adapters) {
    pass->adapters = adapters;
}

static pare_status step_done(pare_pass *pass) {
    pass->steps_done++;
    PARE_TRY(pare_interrupted());
    return pass->step ? pass->step(pass->step_context, pass->steps_done, pass->steps_total) : PARE_OK;
}

/* The weights of `layer` as the source has them now. */
static pare_block block_of(pare_pass *pass, const pare_source *source, uint32_t layer) {
    pare_block_room room = {.matrices = pass->matrices,
                            .vectors = pass->vectors,
                            .positions = &pass->positions,
                            .reach = pass->reach,
                            .activations = &pass->activations,
                            .length = pass->layout.length,
                            .attention_batch = pass->attention_batch};
    pare_block block = pare_block_of(source, layer, &room);
    block.adapters = pass->adapters;
    block.adapter_room = &pass->adapter_room;
    return block;
}

/* Sets the block to the micro-batch that begins at a sequence. */
static void enter_micro_batch(const pare_pass *pass, pare_block *block, int64_t sequence) {
    const pare_layout *layout = &pass->layout;
    int64_t token = sequence * layout->length;
    block->batch = pare_pass_batch_at(pass, sequence);
    block->positions = layout->positions ? layout->positions + token : NULL;
    block->start = layout->start ? layout->start + token : NULL;
    block->shared = layout->shared ? layout->shared + token : NULL;
}

/* What the block's micro-batch that begins at a sequence leaves is kept where this is not NULL. */
static pare_kept_block *kept_of(const pare_pass *pass, uint32_t layer, int64_t sequence) {
    int64_t parts = pare_pass_batch_count(pass), number = pare_pass_batch_number(pass, sequence);
    int64_t behind = (int64_t)(pass->model->config.layers - 1 - layer) * parts + parts - 1 - number;
    return behind < pass->kept.count ? &pass->kept.list[behind] : NULL;
}

/* Sets where the block's micro-batch that begins at a sequence works; false if nothing will be kept there. */
static bool enter_kept(pare_pass *pass, pare_block *block, int64_t sequence) {
    pare_kept_block *kept = kept_of(pass, block->layer, sequence);
    block->activations = kept ? &kept->activations : &pass->activations;
    block->adapter_room = kept ? &kept->room : &pass->adapter_room;
    return kept != NULL;
}

static int64_t offset_of(const pare_pass *pass, int64_t sequence) {
    return sequence * pass->layout.length * (int64_t)pass->model->config.hidden;
}

static pare_status final_norm(pare_pass *pass, const pare_source *source) {
    const pare_config *config = &pass->model->config;
    size_t bias = pare_tensor_id_end(pass->model, PARE_END_HEAD_BIAS);
    pass->final_by = pare_end_norm(source, PARE_END_FINAL_NORM, PARE_END_FINAL_NORM_BIAS, pass->final_norm);
    if (pass->head_bias) pare_source_rows(source, bias, 0, 1, pass->head_bias);
    const float *x = pare_pass_input(pass, config->layers);
    for (int64_t s = 0, n; s < pass->sequences; s += n) {
        n = pare_pass_stretch_at(pass, s);
        int64_t first = s * pass->layout.length;
        PARE_TRY(pare_final_forward(source, &pass->final_by, x + first * config->hidden, n * pass->layout.length,
                                    pare_operand_at(pass->backend, pass->final, first * config->head_width),
                                    pass->final_inverse + first));
    }
    return PARE_OK;
}

/* One micro-batch through a block, shown to the observer. */
static pare_status block_forward(pare_pass *pass, const pare_block *block, const float *x, float *out, int64_t first) {
    int64_t tokens = block->batch * block->length;
    if (!pass->observe) return pare_block_forward(block, x, out);
    const float *shown = x;
    if (x == out) {
        memcpy(pass->observed, x, (size_t)(tokens * block->hidden) * sizeof *x);
        shown = pass->observed;
    }
    PARE_TRY(pare_block_forward(block, x, out));
    return pass->observe(pass->observe_context, block->layer, first, tokens, shown, out);
}

static pare_status layer_forward(pare_pass *pass, const pare_source *source, uint32_t layer) {
    float *x = pare_pass_input(pass, layer), *out = pare_pass_input(pass, (int64_t)layer + 1);
    if (skips(source, layer)) {
        if (x != out) memcpy(out, x, (size_t)offset_of(pass, pass->sequences) * sizeof *x);
        return step_done(pass);
    }
    PARE_TRY(pare_source_arrive(source, layer));
    pare_block block = pass->block = block_of(pass, source, layer);
    for (int64_t s = 0; s < pass->sequences; s += block.batch) {
        int64_t at = offset_of(pass, s);
        enter_micro_batch(pass, &block, s);
        enter_kept(pass, &block, s);
        block.first_sequence = pass->sequence = s;
        block.observer = pass->inputs_observer;
        PARE_TRY(block_forward(pass, &block, x + at, out + at, s * pass->layout.length));
    }
    return step_done(pass);
}

static pare_status blocks_forward(pare_pass *pass, const pare_source *source, uint32_t from) {
    if (pass->observe && !pass->observed && !pare_pass_keeps_inputs(&pass->shape))
        return pare_fail(PARE_BAD_ARGUMENT, "the pass has no room to be observed; set `observed` in its shape");
    PARE_TRY(pare_adapters_check(pass->adapters, pass->shape.rank, pass->shape.dropout));
    pass->steps_done = from;
    for (uint32_t layer = from; layer < pass->model->config.layers; layer++) {
        pare_residency_want(&pass->residency, source, (int64_t)layer + 1);
        PARE_TRY(layer_forward(pass, source, layer));
        pare_residency_leave(&pass->residency, source, layer, pass->returns);
    }
    PARE_TRY(pare_source_arrive(source, pare_stop_behind(pass->model)));
    return final_norm(pass, source);
}

static pare_status whole_forward(pare_pass *pass, const pare_source *source, const uint32_t *ids, int64_t sequences) {
    PARE_TRY(pare_pass_enter(pass, sequences));
    pass->ids = ids;
    pare_residency_measure(&pass->residency);
    pare_residency_want(&pass->residency, source, 0);
    PARE_TRY(pare_source_arrive(source, PARE_STOP_FRONT));
    PARE_TRY(pare_embedding_forward(pass, source, pare_pass_input(pass, 0)));
    return blocks_forward(pass, source, 0);
}

/* A rank that has no sequences comes by all weights as the others do. */
static pare_status pass_by(const pare_source *source) {
    for (int64_t stop = PARE_STOP_FRONT; stop <= pare_stop_behind(source->model); stop++)
        if (stop < 0 || stop == pare_stop_behind(source->model) || !skips(source, stop))
            PARE_TRY(pare_source_arrive(source, stop));
    return PARE_OK;
}

/* This rank's sequences; there may be none, where there are more ranks than shards. */
static pare_status forward_own(pare_pass *pass, const pare_source *source, const uint32_t *ids) {
    int64_t sequences = pass->next.sequences ? pass->next.sequences : pass->shape.sequences;
    if (!sequences) {
        pass->sequences = 0;
        pass->layout = (pare_layout){.length = pass->shape.length};
        return pass_by(source);
    }
    ids += pare_shard_begin(&pass->shards, pass->shards.first) * pass->shape.length;
    return whole_forward(pass, source, ids, sequences);
}

pare_status pare_pass_forward(pare_pass *pass, const pare_source *source, const uint32_t *ids, int64_t sequences) {
    pass->steps_total = pass->model->config.layers;
    return pass->shards.count > 1 ? forward_own(pass, source, ids) : whole_forward(pass, source, ids, sequences);
}

pare_status pare_pass_forward_from(pare_pass *pass, const pare_source *source, uint32_t layer) {
    if (!pare_pass_keeps_inputs(&pass->shape))
        return pare_fail(PARE_BAD_ARGUMENT, "the pass keeps no block inputs to begin from; set `inputs` in its shape");
    pass->steps_total = pass->model->config.layers;
    return blocks_forward(pass, source, layer);
}

static bool wants_experts(const pare_pass *pass, const pare_gradient_sink *sink, uint32_t layer) {
    const pare_config *config = &pass->model->config;
    size_t first = pare_tensor_id_first_expert(config) + layer * pare_expert_tensors(config);
    for (size_t i = 0; config->widths[layer].experts && i < pare_expert_tensors(config); i++)
        if (sink->wants(sink->context, first + i)) return true;
    return false;
}

/* Something in the layer, or gradients of what flows there. */
static bool wants_layer(const pare_pass *pass, const pare_gradient_sink *sink, uint32_t layer) {
    bool looks = sink->output_gradient || sink->middle_gradient || sink->linear_gradient || sink->expert_gradient;
    if (looks && layer >= sink->lowest_layer) return true;
    const pare_config *config = &pass->model->config;
    for (pare_role role = 0; role < PARE_ALL_ROLES; role++)
        if (pare_has_role(&config->architecture, role) &&
            sink->wants(sink->context, pare_tensor_id_in(config, layer, role)))
            return true;
    if (pare_latent_tensors(config) && sink->wants(sink->context, pare_tensor_id_query_down(config, layer)))
        return true;
    return wants_experts(pass, sink, layer);
}

/* An adapter of the layer wants gradients. */
static bool adapts_layer(const pare_config *config, const pare_adapters *adapters, uint32_t layer) {
    for (size_t i = 0; adapters && i < pare_layer_matrices(config); i++) {
        const pare_adapter *adapter = &adapters->list[pare_layer_matrix(config, layer, i)];
        if (adapter->rank && (adapter->da || adapter->db)) return true;
    }
    return false;
}

/* The lowest wanted layer; `layers` if there is none; -1 if the embedding is wanted. */
static int64_t lowest_wanted(const pare_pass *pass, const pare_source *source, const pare_gradient_sink *sink) {
    const pare_model *model = pass->model;
    for (pare_end end = 0; end < PARE_ENDS; end++) {
        size_t id = pare_tensor_id_end(model, end);
        if (pare_end_leads(end) && id < model->tensor_count && sink->wants(sink->context, id)) return -1;
    }
    for (uint32_t layer = 0; layer < model->config.layers; layer++)
        if (!skips(source, layer) &&
            (wants_layer(pass, sink, layer) || adapts_layer(&model->config, pass->adapters, layer)))
            return layer;
    return model->config.layers;
}

/* resident: the block's activations are still those of the forward pass, and so are its weights. */
static pare_status layer_backward(pare_pass *pass, const pare_block *of_layer, bool resident, bool need_input) {
    pare_block block = *of_layer;
    PARE_TRY(pare_pass_shards_begin(pass, &block));
    for (int64_t s = 0; s < pass->sequences; s += block.batch) {
        const float *x = pare_pass_input(pass, block.layer) + offset_of(pass, s);
        enter_micro_batch(pass, &block, s);
        block.first_sequence = pass->sequence = s;
        pass->gradients.first_token = s * pass->layout.length;
        PARE_TRY(pare_pass_batch_enter(pass, s));
        bool kept = enter_kept(pass, &block, s);
        if (!kept && !resident) PARE_TRY(pare_block_forward(&block, x, NULL));
        PARE_TRY(pare_block_backward(&block, &pass->gradients, x, pass->dx + offset_of(pass, s), need_input));
        pare_pass_batch_leave(pass, s);
    }
    return pare_pass_shards_end(pass, &block);
}

static pare_status blocks_backward(pare_pass *pass, const pare_source *source, int64_t lowest) {
    for (int64_t layer = (int64_t)pass->model->config.layers - 1; layer >= 0 && layer >= lowest; layer--) {
        pare_residency_want(&pass->residency, source, layer - 1);
        if (!skips(source, layer)) {
            PARE_TRY(pare_source_arrive(source, layer));
            bool resident = layer == pass->block.layer && pare_pass_batch_count(pass) == 1;
            pare_block block = resident ? pass->block : block_of(pass, source, (uint32_t)layer);
            PARE_TRY(layer_backward(pass, &block, resident, layer > lowest));
        }
        pare_residency_leave(&pass->residency, source, layer, false);
        PARE_TRY(step_done(pass));
    }
    return PARE_OK;
}

/* The embedding's gradient last: where it is tied, that of the head with it. */
static pare_status embedding_backward(pare_pass *pass, const pare_source *source, const pare_gradient_sink *sink) {
    bool there = pare_has_end(&pass->model->config.architecture, PARE_END_EMBEDDING);
    bool wanted = there && sink->wants(sink->context, pare_tensor_id_embedding()), tied = pass->model->config.tied;
    PARE_TRY(pare_source_arrive(source, PARE_STOP_FRONT));
    pare_status status = pare_embedding_enter_backward(pass, source, sink);
    if (status == PARE_OK && wanted) {
        pare_embedding_sort(pass);
        if (tied) status = pare_source_arrive(source, pare_stop_behind(pass->model));
        if (status == PARE_OK)
            status = tied ? pare_head_backward(pass, source, NULL, sink, true) : pare_embedding_backward(pass, sink);
    }
    pare_embedding_leave_backward(pass);
    return status;
}

static bool wants_nothing(void *context, size_t id) {
    (void)context, (void)id;
    return false;
}

pare_status pare_pass_gradient(pare_pass *pass, const pare_source *source, const uint32_t *ids,
                               const pare_gradient_sink *sink, double *loss) {
    static const pare_gradient_sink nobody = {.wants = wants_nothing};
    const pare_model *model = pass->model;
    if (sink && sink->rows && pass->shape.frozen)
        return pare_fail(PARE_BAD_ARGUMENT,
                         "the pass has no room for gradients of weights; unset `frozen` in its shape");
    sink = sink ? sink : &nobody;
    int64_t layers = model->config.layers, lowest = lowest_wanted(pass, source, sink);
    double sum;
    if (sink->samples && !pass->shape.samples)
        return pare_fail(PARE_BAD_ARGUMENT,
                         "the pass has no room for gradients of samples; set `samples` in its shape");
    PARE_TRY(pare_pass_shards_check(pass, sink));
    pass->steps_total = (uint64_t)(2 * layers - (lowest > 0 ? lowest : 0));
    pass->returns = true;
    pare_status status = forward_own(pass, source, ids);
    pass->returns = false;
    PARE_TRY(status);
    PARE_TRY(pare_pass_loss(pass, source, NULL, &sum));
    if (!pass->all_predictions && pare_reads_pictures(&model->config))
        return pare_fail(PARE_BAD_ARGUMENT, "the pictures have no labels, and without these there is no gradient: put "
                                            "them into one folder per class");
    *loss = sum / pare_head_divisor(pass);
    if (!isfinite(*loss))
        return pare_fail(
            PARE_NUMERIC_ERROR,
            "the loss is %f: the weights of %s are not finite, or too large to compute with, or a step was too large "
            "(lower --gamma)",
            *loss, pare_checkpoint_directory(model->checkpoint));
    PARE_TRY(pare_head_observe(pass, source));
    pass->gradients.sink = sink;
    pass->gradients.sequences = pass->shards.count == 1 ? pass->sequences : pass->shards.sequences;
    if (pare_pass_runs_ends(pass, sink)) PARE_TRY(pare_output_backward(pass, source, sink));
    PARE_TRY(blocks_backward(pass, source, lowest));
    if (lowest >= 0) return PARE_OK;
    return pare_pass_runs_ends(pass, sink) ? embedding_backward(pass, source, sink) : PARE_OK;
}

void pare_pass_free(pare_pass *pass) {
    if (!pass) return;
    pare_residency_close(&pass->residency);
    pare_kept_free(&pass->kept);
    pare_activations_free(&pass->activations);
    pare_adapter_room_free(&pass->adapter_room);
    for (int role = 0; role < PARE_MATRIX_ROLES; role++) {
        pare_free(pass->matrices[role]);
        pare_free(pass->gradients.sums[role]);
        pare_free(pass->gradients.sample_sums[role]);
        pare_free(pass->gradients.bias_samples[role]);
    }
    for (pare_role role = 0; role < PARE_ALL_ROLES; role++)
        pare_free(pass->gradients.vector_sums[role]);
    pare_teaching_free(&pass->teaching);
    pare_shard_sums_free(&pass->sums);
    pare_position_tables_free(&pass->positions);
    const pare_block_gradients *g = &pass->gradients;
    void *all[] = {g->final_sums,
                   g->expert_sums,
                   g->latent_sums,
                   g->expert_sample_sums,
                   g->latent_sample_sums,
                   pass->vectors,
                   pass->inputs,
                   pass->head_bias,
                   pass->final,
                   pass->final_inverse,
                   pass->final_norm,
                   pass->targets,
                   pass->maximum,
                   pass->sum,
                   pass->logsum,
                   pass->target_logit,
                   pass->logits,
                   pass->head_rows,
                   pass->dx,
                   pass->dfinal,
                   pass->order,
                   pass->dlogits,
                   pass->head_gradient,
                   pass->gradients.chunk,
                   pass->observed,
                   pass->predicted,
                   pass->gathered};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        pare_free(all[i]);
    pare_free(pass);
}
