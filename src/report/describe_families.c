/* pare_families_describe: which families pare knows, what of them can go, and how they are written. */
#include "model/family.h"
#include "model/gguf_architecture.h"
#include "report/describe_block.h"
#include "support/json.h"

#include <string.h>

/* What becomes of a model with fewer heads. */
static const char *heads_of(const pare_family *family) {
    if (family->heads == PARE_HEADS_FREE) return "any number";
    if (family->others[0].family) return "any number";
    return family->heads == PARE_HEADS_DIVIDE ? "numbers that divide the hidden size" : "none";
}

static json_t *classes_of(const pare_family *family) {
    json_t *list = pare_json_list_of(pare_json_string(family->class_name));
    for (int i = 0; i < PARE_OTHERS && family->others[i].family; i++)
        pare_json_append(list, pare_json_string(family->others[i].family->class_name));
    return list;
}

/* Names that GGUF files give the family. */
static json_t *architectures_of(const pare_family *family) {
    json_t *list = json_array();
    for (size_t i = 0; pare_gguf_architecture_at(i); i++)
        if (pare_gguf_is_own(pare_gguf_architecture_at(i), family))
            pare_json_append(list, pare_json_string(pare_gguf_architecture_at(i)->name));
    return list;
}

static bool hidden_can_go(const pare_family *family) {
    return !family->fixed_ffn && !pare_family_reads_pictures(family);
}

static bool is_first(size_t index) {
    const char *type = pare_family_at(index)->types[0];
    for (size_t i = 0; i < index; i++)
        if (strcmp(pare_family_at(i)->types[0], type) == 0) return false;
    return true;
}

pare_status pare_families_describe(char **text) {
    json_t *list = json_array();
    *text = NULL;
    for (size_t i = 0; pare_family_at(i); i++) {
        const pare_family *family = pare_family_at(i);
        if (!is_first(i)) continue;
        json_t *json = pare_describe_family(family);
        pare_json_put(json, "heads", pare_json_string(heads_of(family)));
        pare_json_put(json, "ffn", json_boolean(!family->fixed_ffn));
        pare_json_put(json, "hidden", json_boolean(hidden_can_go(family)));
        pare_json_put(json, "experts", json_boolean(family->experts.router != NULL));
        pare_json_put(json, "written_as", classes_of(family));
        pare_json_put(json, "gguf", architectures_of(family));
        pare_json_append(list, json);
    }
    return pare_json_text(pare_json_of({"families", list}), text);
}
