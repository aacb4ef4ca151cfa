#include "checkpoint/scan.h"
#include "checkpoint/view.h"
#include "support/machine.h"
#include "support/memory.h"
#include "support/path.h"
#include "support/progress.h"
#include "support/read_ahead.h"
#include "support/vectorize.h"

#include <stdlib.h>
#include <string.h>

/* A piece passes through the cache once: one thread hashes it while another looks at its elements. Those that were
 * expanded or copied lie elsewhere, and piece n of the file goes with piece n of those. */
enum { PIECE_BYTES = 4 << 20 };

/* So much of a file is asked for before it is looked at, by a thread of its own, where there is so much to read that
 * this pays. Of files that memory cannot hold the first bytes stay, which are needed first afterwards. */
#define AHEAD_BYTES ((uint64_t)64 << 20)
#define MUCH ((uint64_t)256 << 20)
static const double share = 0.8; /* of what is available */

typedef struct count_pair {
    uint64_t zeros, bad; /* elements that are zero; that are NaN or infinite */
} count_pair;

typedef struct scanner {
    const pare_checkpoint *checkpoint;
    const pare_runtime *runtime;
    pare_scan *out;
    uint64_t done, total; /* bytes of all files, or of what they were expanded to where that is more */
    pare_read_ahead *reader;
    uint64_t room;          /* bytes that may stay in memory */
    const pare_tensor *bad; /* has a NaN or an infinity; NULL: none so far */
    pare_stored_run bad_run;
    uint64_t bad_from; /* at this element of that run, or after */
} scanner;

/* An element is NaN or infinite if all bits of its exponent are set. */
PARE_VECTORIZE static count_pair count_16(const unsigned char *restrict data, size_t n, uint16_t exponent) {
    uint32_t zeros = 0, bad = 0;
    for (size_t i = 0; i < n; i++) {
        uint16_t bits;
        memcpy(&bits, data + 2 * i, sizeof bits);
        zeros += (bits & 0x7fffu) == 0;
        bad += (bits & exponent) == exponent;
    }
    return (count_pair){zeros, bad};
}

PARE_VECTORIZE static count_pair count_32(const unsigned char *restrict data, size_t n, uint32_t exponent) {
    uint32_t zeros = 0, bad = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, data + 4 * i, sizeof bits);
        zeros += (bits & 0x7fffffffu) == 0;
        bad += (bits & exponent) == exponent;
    }
    return (count_pair){zeros, bad};
}

static count_pair count_elements(const unsigned char *data, size_t n, pare_dtype dtype) {
    if (dtype == PARE_DTYPE_F32) return count_32(data, n, 0x7f800000u);
    return count_16(data, n, dtype == PARE_DTYPE_F16 ? 0x7c00u : 0x7f80u);
}

/* Stored elements [first, first + n) of the run at `data`. Those that are packed or shifted are looked at as the
 * numbers that they are. */
static count_pair count_stored(const pare_tensor *tensor, const unsigned char *data, uint64_t first, uint64_t n) {
    enum { STEP = 4096 };
    const pare_view *view = tensor->view;
    bool converted = view && (view->type || view->exponents || view->shift < 0 || view->shift > 0);
    if (!converted) return count_elements(data + first * pare_dtype_size(tensor->dtype), n, tensor->dtype);
    count_pair all = {0, 0};
    for (uint64_t done = 0, take; done < n; done += take) {
        float values[STEP];
        take = n - done < STEP ? n - done : STEP;
        pare_tensor_stored_values(tensor, first + done, take, values);
        count_pair counts = count_elements((const unsigned char *)values, take, PARE_DTYPE_F32);
        all.zeros += counts.zeros;
        all.bad += counts.bad;
    }
    return all;
}

/* What the file cannot divide: an element, or a block of them. */
static size_t unit_of(const pare_tensor *tensor, size_t *elements) {
    const pare_ggml_type *type = tensor->view ? tensor->view->type : NULL;
    *elements = type ? type->elements : 1;
    if (tensor->view && tensor->view->exponents) {
        *elements = 2;
        return 1;
    }
    return type ? type->bytes : pare_dtype_size(tensor->dtype);
}

/* The elements of a run that begin in [begin, end). The last one may reach beyond, into the rest of the bytes. */
static void scan_run(scanner *scan, size_t index, pare_stored_run run, const unsigned char *begin,
                     const unsigned char *end) {
    size_t elements, size = unit_of(run.of, &elements);
    if ((uintptr_t)run.data >= (uintptr_t)end || (uintptr_t)run.data + run.bytes <= (uintptr_t)begin) return;
    uint64_t first = begin > run.data ? ((uint64_t)(begin - run.data) + size - 1) / size : 0;
    uint64_t last = ((uint64_t)(end - run.data) + size - 1) / size, count = run.bytes / size;
    if (last > count) last = count;
    if (first >= last) return;
    first *= elements;
    count_pair counts = count_stored(run.of, run.data, first, last * elements - first);
    scan->out->zeros[index] += counts.zeros;
    if (counts.bad && !scan->bad) {
        scan->bad = pare_checkpoint_at(scan->checkpoint, index);
        scan->bad_run = run;
        scan->bad_from = first;
    }
}

/* Tensors may share bytes, and one may lie in several files: all are asked, in their order. */
static void scan_piece(scanner *scan, const unsigned char *begin, size_t bytes) {
    for (size_t i = 0; i < pare_checkpoint_count(scan->checkpoint) && bytes; i++) {
        const pare_tensor *tensor = pare_checkpoint_at(scan->checkpoint, i);
        for (int k = 0; k < pare_tensor_run_count(tensor); k++)
            scan_run(scan, i, pare_tensor_run(tensor, k), begin, begin + bytes);
    }
}

static pare_status refuse_element(const scanner *scan) {
    uint64_t index = scan->bad_from;
    while (!count_stored(scan->bad_run.of, scan->bad_run.data, index, 1).bad)
        index++;
    float value;
    pare_tensor part = *scan->bad_run.of;
    part.data = scan->bad_run.data;
    pare_tensor_stored_values(&part, index, 1, &value);
    return pare_fail(PARE_NUMERIC_ERROR, "%s: element %llu of tensor %s is %s; repair the file or download it again",
                     pare_checkpoint_file(scan->checkpoint, scan->bad_run.file), (unsigned long long)index,
                     scan->bad->name, value != value ? "NaN" : "infinite");
}

/* What there is of piece `offset` of `whole` bytes. */
static size_t piece_of(uint64_t whole, uint64_t offset) {
    uint64_t left = whole > offset ? whole - offset : 0;
    return left < PIECE_BYTES ? left : PIECE_BYTES;
}

/* *image: where elements are that do not lie in the file; *length: that of the longer one of it and the file. */
static const pare_mapping *extent(const scanner *scan, size_t file, const unsigned char **image, uint64_t *image_bytes,
                                  uint64_t *length) {
    const pare_mapping *mapping = pare_checkpoint_mapping(scan->checkpoint, file);
    *image = pare_checkpoint_image(scan->checkpoint, file, image_bytes);
    *length = mapping->bytes > *image_bytes ? mapping->bytes : *image_bytes;
    return mapping;
}

/* Before a piece is looked at, and after it. */
static void read_ahead(const scanner *scan, const pare_mapping *mapping, uint64_t offset) {
    if (offset == 0)
        pare_read_ahead_want(scan->reader, mapping->data, mapping->bytes < AHEAD_BYTES ? mapping->bytes : AHEAD_BYTES);
    if (mapping->bytes > offset + AHEAD_BYTES)
        pare_read_ahead_want(scan->reader, mapping->data + offset + AHEAD_BYTES,
                             piece_of(mapping->bytes, offset + AHEAD_BYTES));
}

static void let_go(const scanner *scan, const pare_mapping *mapping, uint64_t offset, size_t bytes) {
    if (scan->done > scan->room) pare_read_ahead_release(scan->reader, mapping->data + offset, bytes);
}

static pare_status scan_pieces(scanner *scan, size_t file, pare_digest *digest) {
    const unsigned char *image;
    uint64_t image_bytes, length;
    const pare_mapping *mapping = extent(scan, file, &image, &image_bytes, &length);
    int asked = scan->runtime ? scan->runtime->threads : 0;
    int threads = (asked ? asked : pare_machine_threads("")) == 1 ? 1 : 2;
    for (uint64_t offset = 0; offset < length; offset += PIECE_BYTES) {
        PARE_TRY(pare_progress_report(scan->runtime, "checking weights", scan->done, scan->total));
        size_t mapped = piece_of(mapping->bytes, offset), beside = piece_of(image_bytes, offset);
        read_ahead(scan, mapping, offset);
#pragma omp parallel sections num_threads(threads)
        {
#pragma omp section
            if (mapped) pare_digest_add(digest, mapping->data + offset, mapped);
#pragma omp section
            {
                if (mapped) scan_piece(scan, mapping->data + offset, mapped);
                if (beside) scan_piece(scan, image + offset, beside);
            }
        }
        /* Here, because messages belong to the thread that fails. */
        if (scan->bad) return refuse_element(scan);
        scan->done += piece_of(length, offset);
        let_go(scan, mapping, offset, mapped);
    }
    return PARE_OK;
}

static pare_status scan_file(scanner *scan, size_t file, pare_digest *all) {
    pare_digest *digest;
    PARE_TRY(pare_digest_new(&digest));
    pare_status status = scan_pieces(scan, file, digest);
    char *text = scan->out->file_digests[file];
    pare_digest_finish(digest, text);
    char *line = pare_format("%s  %s\n", text, pare_path_name(pare_checkpoint_file(scan->checkpoint, file)));
    if (line) pare_digest_add(all, line, strlen(line));
    free(line);
    return status == PARE_OK ? pare_whole() : status;
}

static pare_status scan_files(scanner *scan) {
    pare_digest *all;
    PARE_TRY(pare_digest_new(&all));
    pare_status status = PARE_OK;
    for (size_t i = 0; i < pare_checkpoint_file_count(scan->checkpoint) && status == PARE_OK; i++)
        status = scan_file(scan, i, all);
    pare_digest_finish(all, scan->out->digest);
    if (pare_checkpoint_file_count(scan->checkpoint) == 1)
        memcpy(scan->out->digest, scan->out->file_digests[0], PARE_DIGEST_TEXT);
    return status == PARE_OK ? pare_progress_report(scan->runtime, "checking weights", scan->done, scan->total)
                             : status;
}

pare_status pare_checkpoint_scan(const pare_checkpoint *checkpoint, const pare_runtime *runtime, pare_scan *out) {
    *out = (pare_scan){0};
    scanner scan = {.checkpoint = checkpoint, .runtime = runtime, .out = out};
    size_t files = pare_checkpoint_file_count(checkpoint);
    for (size_t i = 0; i < files; i++) {
        const unsigned char *image;
        uint64_t image_bytes, length;
        extent(&scan, i, &image, &image_bytes, &length);
        scan.total += length;
    }
    pare_status status = pare_alloc(&out->file_digests, files, sizeof *out->file_digests, "file digests");
    if (status == PARE_OK)
        status = pare_alloc(&out->zeros, pare_checkpoint_count(checkpoint), sizeof *out->zeros, "zero counts");
    if (scan.total >= MUCH) scan.reader = pare_read_ahead_new();
    scan.room = (uint64_t)((double)pare_memory_available() * share);
    if (scan.total <= scan.room || !scan.room) scan.room = UINT64_MAX;
    if (status == PARE_OK) status = scan_files(&scan);
    pare_read_ahead_free(scan.reader);
    if (status != PARE_OK) pare_scan_free(out);
    return status;
}

void pare_scan_free(pare_scan *scan) {
    pare_free(scan->file_digests);
    pare_free(scan->zeros);
    *scan = (pare_scan){0};
}
