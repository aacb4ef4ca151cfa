#include "text/chat_text.h"
#include "text/examples_internal.h"

bool pare_chat_text_fits(const pare_json_row *row) {
    return pare_example_is_worded(row->value);
}

pare_status pare_chat_text_of_row(const pare_chat_style *style, const pare_json_row *row, pare_buffer *out,
                                  bool *whole) {
    const pare_examples_request request = {.path = row->path, .style = style};
    pare_example_builder builder = {.request = &request, .as_text = out};
    pare_status status = pare_example_read_row(&builder, row);
    *whole = builder.formatted;
    pare_example_builder_free(&builder);
    return status;
}
