/* The two forms of the Stanford Alpaca prompt, and the same headings around the turns of a chat. */
#include "text/examples_internal.h"

#include <stdlib.h>

static const char WITH_INPUT[] = "Below is an instruction that describes a task, paired with an input that provides "
                                 "further context. Write a response that appropriately completes the request.";
static const char WITHOUT_INPUT[] = "Below is an instruction that describes a task. Write a response that "
                                    "appropriately completes the request.";

static pare_status append_section(const char *heading, const char *text, size_t bytes, const char *end,
                                  pare_buffer *out) {
    PARE_TRY(pare_buffer_append(out, heading, strlen(heading)));
    PARE_TRY(pare_buffer_append(out, text, bytes));
    return pare_buffer_append(out, end, strlen(end));
}

pare_status pare_template_append_system(pare_template wording, const char *system, size_t bytes, pare_buffer *out) {
    bool alpaca = wording != PARE_TEMPLATE_NONE;
    if (system) return append_section("", system, bytes, alpaca ? "\n\n" : "\n", out);
    return alpaca ? append_section("", WITHOUT_INPUT, sizeof WITHOUT_INPUT - 1, "\n\n", out) : PARE_OK;
}

pare_status pare_template_append_turn(pare_template wording, const char *text, size_t bytes, pare_buffer *out) {
    bool alpaca = wording != PARE_TEMPLATE_NONE;
    return append_section(alpaca ? "### Instruction:\n" : "", text, bytes, alpaca ? "\n\n" : "\n", out);
}

pare_status pare_template_append_answer(pare_template wording, pare_buffer *out) {
    return wording != PARE_TEMPLATE_NONE ? append_section("### Response:\n", "", 0, "", out) : PARE_OK;
}

pare_status pare_template_append(pare_template wording, const char *instruction, size_t bytes, const char *input,
                                 size_t input_bytes, pare_buffer *out) {
    bool alpaca = wording != PARE_TEMPLATE_NONE;
    bool paired = alpaca && input_bytes;
    PARE_TRY(pare_template_append_system(wording, paired ? WITH_INPUT : NULL, paired ? sizeof WITH_INPUT - 1 : 0, out));
    PARE_TRY(pare_template_append_turn(wording, instruction, bytes, out));
    if (input_bytes)
        PARE_TRY(append_section(alpaca ? "### Input:\n" : "", input, input_bytes, alpaca ? "\n\n" : "\n", out));
    return pare_template_append_answer(wording, out);
}

char *pare_template_prompt(pare_template wording, const char *instruction, const char *input) {
    pare_buffer text = {0};
    char *copy = NULL;
    if (pare_template_append(wording, instruction, strlen(instruction), input, input ? strlen(input) : 0, &text) ==
            PARE_OK &&
        pare_buffer_append(&text, "", 1) == PARE_OK)
        copy = strdup(text.data);
    pare_buffer_free(&text);
    return copy;
}
