#include "text/text_file.h"
#include "text/container.h"
#include "text/gunzip.h"

static pare_status unpack(pare_text_file *out) {
    out->text = (const char *)out->file.data;
    out->bytes = (size_t)out->file.bytes;
    if (!pare_is_gzip(out->file.data, out->file.bytes)) return PARE_OK;
    PARE_TRY(pare_gunzip(&out->file, &out->unpacked));
    return pare_spill_finish(&out->unpacked, &out->text, &out->bytes);
}

static pare_status convert(pare_text_file *out) {
    PARE_TRY(pare_encoding_look(out->path, out->text, out->bytes, &out->encoding));
    if (pare_encoding_changes(&out->encoding)) {
        PARE_TRY(pare_encoding_convert(&out->encoding, out->text, out->bytes, &out->converted));
        return pare_spill_finish(&out->converted, &out->text, &out->bytes);
    }
    out->text += out->encoding.mark;
    out->bytes -= out->encoding.mark;
    return PARE_OK;
}

static pare_status read_file(pare_text_file *out) {
    PARE_TRY(pare_mapping_open(out->path, &out->file));
    PARE_TRY(unpack(out));
    if (out->bytes) PARE_TRY(pare_container_refuse(out->path, out->text, out->bytes));
    if (out->bytes) PARE_TRY(convert(out));
    if (out->bytes) return PARE_OK;
    return pare_fail(PARE_FORMAT_ERROR, "%s is empty; give a file with text, rows or token ids", out->path);
}

pare_status pare_text_file_open(const char *path, pare_text_file *out) {
    *out = (pare_text_file){.path = path};
    pare_status status = read_file(out);
    if (status != PARE_OK) pare_text_file_close(out);
    return status;
}

void pare_text_file_close(pare_text_file *file) {
    pare_mapping_close(&file->file);
    pare_spill_close(&file->unpacked);
    pare_spill_close(&file->converted);
    *file = (pare_text_file){0};
}
