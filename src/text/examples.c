#include "text/examples.h"
#include "support/memory.h"
#include "text/corpus_internal.h"
#include "text/examples_internal.h"

void pare_examples_free(pare_examples *examples) {
    pare_free(examples->ids);
    pare_free(examples->learnt);
    pare_free(examples->labels);
    pare_free(examples->list);
    pare_odd_rows_free(&examples->odd);
    *examples = (pare_examples){0};
}

uint64_t pare_examples_ids(const pare_examples *examples) {
    uint64_t ids = 0;
    for (size_t i = 0; i < examples->count; i++)
        ids += examples->list[i].count;
    return ids;
}

uint64_t pare_examples_mean_ids(const pare_examples *examples) {
    return examples->count ? (pare_examples_ids(examples) + examples->count - 1) / examples->count : 0;
}

char *pare_examples_note(const pare_examples *examples, const char *path) {
    return pare_odd_rows_note(&examples->odd, path, examples->malformed, examples->first);
}

/* The whole file as one stream. */
static pare_status read_plain(pare_example_builder *builder, const pare_text_file *file) {
    const pare_examples_request *request = builder->request;
    const pare_documents documents = {.path = request->path, .text = file->text, .bytes = file->bytes};
    if (!builder->tokenizer)
        return pare_fail(PARE_FORMAT_ERROR, "%s has text, and there is no tokenizer to read it with", request->path);
    PARE_TRY(pare_corpus_encode_prefix(builder->tokenizer, &documents, (uint64_t)request->limit * request->cutoff,
                                       &builder->row));
    return pare_example_divide(builder);
}

static pare_status read_rows(pare_example_builder *builder, const pare_text_file *file) {
    const pare_examples_request *request = builder->request;
    const pare_json_source source = {
        .path = request->path, .text = file->text, .bytes = file->bytes, .limit = request->limit, .odd = &builder->odd};
    return pare_json_rows_read(&source, pare_example_read_row, builder);
}

static pare_status refuse_none(const pare_example_builder *builder) {
    const pare_examples_request *request = builder->request;
    if (!builder->dropped)
        return pare_fail(PARE_FORMAT_ERROR, "%s has no rows; give a file with training examples", request->path);
    return pare_fail(
        PARE_FORMAT_ERROR,
        "%s leaves nothing to learn: all of its %zu rows have no answer, or none within %u tokens; choose a "
        "longer cutoff or other data",
        request->path, builder->dropped, request->cutoff);
}

static pare_status read_file(pare_example_builder *builder, pare_text_file *file) {
    const pare_examples_request *request = builder->request;
    if (request->cutoff < PARE_EXAMPLE_SMALLEST_CUTOFF)
        return pare_fail(PARE_BAD_ARGUMENT, "a cutoff of %u tokens leaves nothing to predict; choose 2 or more",
                         request->cutoff);
    PARE_TRY(pare_text_file_open(request->path, file));
    PARE_TRY(pare_json_form_of(request->path, file->text, file->bytes) == PARE_JSON_NONE ? read_plain(builder, file)
                                                                                         : read_rows(builder, file));
    return builder->count ? PARE_OK : refuse_none(builder);
}

pare_status pare_examples_read(const pare_tokenizer *tokenizer, const pare_examples_request *request,
                               pare_examples *out) {
    pare_example_builder builder = {.tokenizer = tokenizer, .request = request};
    pare_text_file file = {0};
    *out = (pare_examples){0};
    pare_status status = read_file(&builder, &file);
    *out = (pare_examples){.ids = builder.ids.ids,
                           .learnt = (uint8_t *)builder.learnt.data,
                           .list = builder.list,
                           .count = builder.count,
                           .shortened = builder.shortened,
                           .dropped = builder.dropped,
                           .odd = builder.odd,
                           .malformed = file.encoding.malformed,
                           .first = file.encoding.first,
                           .formatted = builder.formatted};
    pare_example_builder_free(&builder);
    pare_text_file_close(&file);
    if (status != PARE_OK) pare_examples_free(out);
    return status;
}
