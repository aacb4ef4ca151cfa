#include "help_models.h"
#include "document.h"
#include "help_print.h"
#include "outcome.h"
#include "terminal.h"

#include <pare.h>
#include <stdio.h>
#include <string.h>

/* What can go beside single weights and whole layers, which every family can lose. */
static void print_units(const json_t *family) {
    const char *heads = pare_document_text(family, "heads");
    bool some = strcmp(heads, "none") != 0, ffn = json_is_true(pare_document_at(family, "ffn"));
    bool hidden = json_is_true(pare_document_at(family, "hidden"));
    if (json_is_true(pare_document_at(family, "experts"))) {
        printf("      units: whole experts, channels inside them%s%s\n",
               some ? ", heads" : " (--attention-layers none)", hidden ? ", hidden channels" : "");
        return;
    }
    bool divided = strncmp(heads, "any", 3) != 0;
    printf("      units: %s%s%s%s%s\n", some ? "heads" : "",
           some && divided ? " (numbers that divide the hidden size)" : "", some && ffn ? ", " : "",
           ffn    ? "FFN channels"
           : some ? ""
                  : "none",
           hidden ? ", hidden channels" : "");
}

static void print_family(const json_t *family) {
    const json_t *classes = pare_document_at(family, "written_as"), *gguf = pare_document_at(family, "gguf");
    printf("  %-17s %s\n", pare_document_text(family, "name"), pare_document_text(family, "models"));
    print_units(family);
    fputs("      written as: ", stdout);
    for (size_t i = 0; i < json_array_size(classes); i++)
        printf("%s%s", i ? " or " : "", json_string_value(json_array_get(classes, i)));
    for (size_t i = 0; i < json_array_size(gguf); i++)
        printf("%s%s", i ? ", " : "\n      read from GGUF files of: ", json_string_value(json_array_get(gguf, i)));
    putchar('\n');
}

int pare_help_print_models(void) {
    char *text;
    pare_status status = pare_families_describe(&text);
    if (status != PARE_OK) {
        pare_terminal_fail("%s", pare_message());
        return PARE_EXIT_FAILED;
    }
    json_t *report = json_loads(text, 0, NULL);
    const json_t *families = pare_document_at(report, "families");
    pare_help_wrap(
        "Families of models by the model_type of their config.json. Of all of them single weights and whole "
        "layers can go (of those with experts, whole experts, too); units are removed as said, "
        "and what is left is written in the first class that "
        "loads it. Models with pictures (gemma3, mistral3, llama4): their language model is pruned, the rest is "
        "carried over.",
        0);
    for (size_t i = 0; i < json_array_size(families); i++)
        print_family(json_array_get(families, i));
    json_decref(report);
    pare_text_free(text);
    return PARE_EXIT_DONE;
}
