#include "model/patches.h"
#include "model/pass_internal.h"
#include "support/memory.h"

#include <string.h>

pare_status pare_model_album(const pare_model *model, pare_album **out) {
    const pare_vision *v = &model->config.vision;
    pare_image_processor processor;
    if (!*model->album) {
        PARE_TRY(pare_image_processor_read(pare_checkpoint_directory(model->checkpoint), model->config.model_type,
                                           v->width, v->height, v->channels, &processor));
        PARE_TRY(pare_album_new(&processor, model->album));
    }
    *out = *model->album;
    return PARE_OK;
}

pare_status pare_model_share_album(const pare_model *model, const pare_model *from) {
    pare_album *album;
    if (!pare_reads_pictures(&model->config) || !pare_reads_pictures(&from->config)) return PARE_OK;
    PARE_TRY(pare_model_album(from, &album));
    if (*model->album == album) return PARE_OK;
    pare_album_release(*model->album);
    pare_album_retain(album);
    *model->album = album;
    return PARE_OK;
}

static const char *folder_of(const pare_model *model) {
    return pare_checkpoint_directory(model->checkpoint);
}

static bool prepares_alike(const pare_image_processor *a, const pare_image_processor *b) {
    return a->width == b->width && a->height == b->height && a->channels == b->channels &&
           a->do_resize == b->do_resize && a->do_center_crop == b->do_center_crop &&
           a->resize_width == b->resize_width && a->resize_height == b->resize_height &&
           a->shortest_edge == b->shortest_edge && a->crop_width == b->crop_width && a->crop_height == b->crop_height &&
           a->resample == b->resample && memcmp(a->values, b->values, sizeof a->values) == 0;
}

static pare_status check_pictures(const pare_model *model, const pare_model *other, const char *option) {
    const pare_vision *own = &model->config.vision, *its = &other->config.vision;
    if (own->channels == its->channels && own->width == its->width && own->height == its->height) return PARE_OK;
    return pare_fail(PARE_BAD_ARGUMENT,
                     "%s %s reads pictures of %u x %u of %u %s, and %s of %u x %u of %u: both must read the same "
                     "pictures",
                     option, folder_of(other), its->width, its->height, its->channels,
                     its->channels == 1 ? "channel" : "channels", folder_of(model), own->width, own->height,
                     own->channels);
}

pare_status pare_model_match_pictures(const pare_model *model, const pare_model *other, const char *option) {
    pare_album *own, *its;
    if (other->config.vocabulary != model->config.vocabulary)
        return pare_fail(PARE_BAD_ARGUMENT,
                         "%s %s has %u classes, and %s has %u: give the model that was pruned, or another one that "
                         "predicts the same",
                         option, folder_of(other), other->config.vocabulary, folder_of(model),
                         model->config.vocabulary);
    PARE_TRY(check_pictures(model, other, option));
    if (other->config.max_positions != model->config.max_positions)
        return pare_fail(PARE_BAD_ARGUMENT,
                         "%s %s makes %u tokens of a picture, and %s makes %u: both must see the same patches", option,
                         folder_of(other), other->config.max_positions, folder_of(model), model->config.max_positions);
    PARE_TRY(pare_model_album(model, &own));
    PARE_TRY(pare_model_album(other, &its));
    if (!prepares_alike(pare_album_processor(own), pare_album_processor(its)))
        return pare_fail(PARE_BAD_ARGUMENT,
                         "%s %s prepares pictures in another way than %s: their preprocessor_config.json must say the "
                         "same",
                         option, folder_of(other), folder_of(model));
    return pare_model_share_album(other, model);
}

int32_t pare_patches_label(const pare_model *model, uint32_t id) {
    return pare_album_label(*model->album, id);
}

void pare_patches_rows(const pare_source *source, const pare_embedded *tokens, float *rows) {
    const pare_config *config = &source->model->config;
    const pare_vision *v = &config->vision;
    int64_t e = config->embedding_width, pictures = tokens->count / tokens->length;
#pragma omp parallel for schedule(static) if (tokens->count * e > 8192)
    for (int64_t i = 0; i < pictures; i++) {
        float *of_picture = rows + i * tokens->length * e;
        memset(of_picture, 0, (size_t)(v->prefix * e) * sizeof *rows);
        pare_album_patches(*source->model->album, tokens->ids[i * tokens->stride], v->patch_height, v->patch_width,
                           of_picture + v->prefix * e);
    }
}

static const pare_end own_tokens[] = {PARE_END_CLASS_TOKEN, PARE_END_DISTILLATION_TOKEN};

pare_status pare_patches_finish(const pare_source *source, const pare_embedded *tokens, float *x) {
    const pare_model *model = source->model;
    int64_t d = model->config.hidden, prefix = model->config.vision.prefix;
    float *vectors; /* [1 + prefix, d]: the bias, the model's own tokens */
    PARE_TRY(pare_alloc_uninitialized(&vectors, (size_t)(1 + prefix) * (size_t)d, sizeof *vectors, "tokens"));
    pare_source_rows(source, pare_tensor_id_end(model, PARE_END_PROJECT_IN_BIAS), 0, 1, vectors);
    for (int64_t i = 0; i < prefix; i++)
        pare_source_rows(source, pare_tensor_id_end(model, own_tokens[i]), 0, 1, vectors + (1 + i) * d);
#pragma omp parallel for schedule(static) if (tokens->count * d > 8192)
    for (int64_t t = 0; t < tokens->count; t++) {
        int64_t place = t % tokens->length;
        if (place < prefix) memcpy(x + t * d, vectors + (1 + place) * d, (size_t)d * sizeof *x);
        for (int64_t j = 0; j < d && place >= prefix; j++)
            x[t * d + j] += vectors[j];
    }
    pare_free(vectors);
    return PARE_OK;
}

/* What is wanted of the tokens at `place`; of those behind the model's own where it is -1. */
typedef struct token_sum {
    int64_t place;
    float *gradient; /* [d] */
} token_sum;

/* In the order of the tokens. */
static pare_status sum_shard(pare_pass *pass, int k, int64_t first, int64_t tokens, void *context) {
    const token_sum *sum = context;
    int64_t d = pass->model->config.hidden, prefix = pass->model->config.vision.prefix;
    (void)k;
    for (int64_t t = first; t < first + tokens; t++) {
        int64_t here = t % pass->layout.length;
        if (sum->place < 0 ? here < prefix : here != sum->place) continue;
        for (int64_t j = 0; j < d; j++)
            sum->gradient[j] += pass->dx[t * d + j];
    }
    return PARE_OK;
}

static pare_status sum_tokens(pare_pass *pass, int64_t place, pare_end end, const pare_gradient_sink *sink) {
    size_t id = pare_tensor_id_end(pass->model, end), d = pass->model->config.hidden;
    token_sum sum = {.place = place};
    if (!sink->wants(sink->context, id)) return PARE_OK;
    PARE_TRY(pare_alloc(&sum.gradient, d, sizeof *sum.gradient, "gradient of a token"));
    pare_shard_sum shards = {.kind = PARE_SUM_SINGLE, .values = sum.gradient, .count = d};
    pare_status status = pare_shard_sums_add(&pass->sums, &shards);
    if (status == PARE_OK) status = pare_pass_sum_shards(pass, sum_shard, &sum);
    if (status == PARE_OK) status = sink->rows(sink->context, id, 0, 1, (int64_t)d, sum.gradient, NULL);
    pare_free(sum.gradient);
    return status;
}

pare_status pare_patches_backward(pare_pass *pass, const pare_gradient_sink *sink) {
    for (int64_t i = 0; i < pass->model->config.vision.prefix; i++)
        PARE_TRY(sum_tokens(pass, i, own_tokens[i], sink));
    return sum_tokens(pass, -1, PARE_END_PROJECT_IN_BIAS, sink);
}
