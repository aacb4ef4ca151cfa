#include "model/gguf_form.h"
#include "support/file.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* The mixes are those of llama.cpp's llama-quantize, without an importance matrix and with one. */
static const pare_gguf_form forms[] = {
    {.name = "f32", .file_type = 0, .type = "F32"},
    {.name = "f16", .file_type = 1, .type = "F16"},
    {.name = "bf16", .file_type = 32, .type = "BF16"},
    {.name = "q8_0", .file_type = 7, .type = "Q8_0"},
    {.name = "q6_k", .file_type = 18, .type = "Q6_K"},
    {.name = "q5_k_m",
     .other = "q5_k",
     .file_type = 17,
     .type = "Q5_K",
     .head = "Q6_K",
     .more = "Q6_K",
     .fused = "Q6_K"},
    {.name = "q5_k_s", .file_type = 16, .type = "Q5_K", .head = "Q6_K"},
    {.name = "q4_k_m",
     .other = "q4_k",
     .file_type = 15,
     .type = "Q4_K",
     .head = "Q6_K",
     .more = "Q6_K",
     .fused = "Q5_K"},
    {.name = "q4_k_s", .file_type = 14, .type = "Q4_K", .head = "Q6_K", .first = "Q5_K"},
    {.name = "q5_1", .file_type = 9, .type = "Q5_1", .head = "Q6_K"},
    {.name = "q5_0", .file_type = 8, .type = "Q5_0", .head = "Q6_K", .weighed = "Q5_1"},
    {.name = "q4_1", .file_type = 3, .type = "Q4_1", .head = "Q6_K"},
    {.name = "q4_0", .file_type = 2, .type = "Q4_0", .head = "Q6_K", .weighed = "Q4_1"},
};

enum { FORMS = sizeof forms / sizeof *forms, DEFAULT_FORM = 1 };

const pare_gguf_form *pare_gguf_form_at(size_t index) {
    return index < FORMS ? &forms[index] : NULL;
}

pare_status pare_gguf_form_find(const char *name, const pare_gguf_form **out) {
    *out = &forms[DEFAULT_FORM];
    if (!name) return PARE_OK;
    for (size_t i = 0; i < FORMS; i++) {
        *out = &forms[i];
        if (strcasecmp(forms[i].name, name) == 0 || (forms[i].other && strcasecmp(forms[i].other, name) == 0))
            return PARE_OK;
    }
    char *names = pare_format("%s", forms[0].name);
    for (size_t i = 1; i < FORMS && names; i++) {
        char *longer = pare_format("%s, %s", names, forms[i].name);
        free(names);
        names = longer;
    }
    pare_status status =
        pare_fail(PARE_BAD_ARGUMENT,
                  "--type %.40s is not one that pare writes: %s; for others write f16 and run llama.cpp's "
                  "llama-quantize on it",
                  name, names ? names : "");
    free(names);
    return status;
}

/* Layers at both ends, and every third one between. */
static bool counts_most(uint32_t layer, uint32_t layers) {
    return layer < layers / 8 || layer >= 7 * layers / 8 || (layer - layers / 8) % 3 == 2;
}

/* So many experts make attention so small a part of a model that its keys and values are spared. */
enum { EIGHT = 8 };

static const char *wanted(const pare_gguf_form *form, const pare_gguf_place *place) {
    if (place->head) return form->head ? form->head : form->type;
    if (!place->layered) return form->type;
    bool down = place->role == PARE_ROLE_DOWN, value = place->role == PARE_ROLE_V && !place->fused && !place->latent;
    bool key = place->role == PARE_ROLE_K && !place->latent;
    if (place->experts == EIGHT && !pare_ggml_type_named(form->type)->plain) {
        if (value || key) return "Q8_0";
        if (place->role == PARE_ROLE_O && strcmp(form->type, "Q4_K") == 0) return "Q5_K";
    }
    if (place->role == PARE_ROLE_Q && place->fused && form->fused) return form->fused;
    if ((down || value) && form->more && counts_most(place->layer, place->layers)) return form->more;
    if (value && form->first && place->layer < 4) return form->first;
    if (down && form->first && place->layer < place->layers / 8) return form->first;
    if (down && form->weighed && place->weighed && place->layer < place->layers / 8) return form->weighed;
    return form->type;
}

const pare_ggml_type *pare_gguf_form_type(const pare_gguf_form *form, const pare_gguf_place *place, bool *narrow) {
    static const char *const instead[][2] = {{"Q4_K", "Q5_0"}, {"Q5_K", "Q5_1"}, {"Q6_K", "Q8_0"}};
    const pare_ggml_type *type = pare_ggml_type_named(wanted(form, place));
    *narrow = place->columns % type->elements != 0;
    for (size_t i = 0; *narrow && i < sizeof instead / sizeof *instead; i++)
        if (strcmp(instead[i][0], type->name) == 0) {
            type = pare_ggml_type_named(instead[i][1]);
            break;
        }
    return place->columns % type->elements ? pare_ggml_type_named("F16") : type;
}
