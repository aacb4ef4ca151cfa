#include "command.h"
#include "document.h"
#include "outcome.h"
#include "table.h"

#include <stdio.h>

static void show(const pare_arguments *arguments, const json_t *answers) {
    pare_table *table = pare_table_new("llr");
    (void)arguments;
    for (size_t i = 0; i < json_array_size(answers); i++) {
        const json_t *answer = json_array_get(answers, i);
        pare_table_cell(table, "%s", pare_document_text(answer, "file"));
        pare_table_cell(table, "%s", pare_document_text(answer, "label"));
        pare_table_cell(table, "%.2f %%", 100 * pare_document_number(answer, "probability", 0));
    }
    pare_table_print(table, stdout);
    pare_table_free(table);
}

static int run(const pare_arguments *arguments) {
    if (!arguments->model)
        return pare_outcome_usage("classify", "MODEL is missing: the folder of a vision transformer");
    if (arguments->models.count < 2)
        return pare_outcome_usage("classify", "FILE is missing: pictures to classify, or folders of them");
    pare_model *model = NULL;
    int code = pare_outcome_open(arguments->model, &model);
    if (code != PARE_EXIT_DONE) return code;
    const pare_classify_options options = {.files = arguments->models.words + 1,
                                           .file_count = arguments->models.count - 1,
                                           .adapter = arguments->adapter_folder};
    pare_runtime runtime = pare_outcome_runtime(arguments);
    char *report = NULL;
    pare_status status = pare_classify(model, &options, &runtime, &report);
    code = pare_outcome_deliver(status, report, arguments, show);
    pare_model_close(model);
    return code;
}

static const char *const synopsis[] = {"MODEL FILE... [OPTION...]", NULL};
static const char *const examples[] = {"my-vit cat.jpg dog.png", "my-vit photos --json", NULL};

const pare_command pare_command_classify = {
    .syntax = {"classify", PARE_IN_CLASSIFY},
    .summary = "says what a vision transformer takes pictures for",
    .synopsis = synopsis,
    .description = "Prints the likeliest class of each picture and its probability. Pictures are PNG or JPEG files, or "
                   "folders of them; those that cannot be read are named and left out.",
    .examples = examples,
    .run = run,
};
