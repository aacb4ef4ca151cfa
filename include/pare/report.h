/* SPDX-License-Identifier: Apache-2.0
 *
 * Part of pare.h, which is what programs include. Reports as pages to look at. */
#ifndef PARE_REPORT_H
#define PARE_REPORT_H

#include "prune.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- pages ------------------------------------------------------------------------------------------------------
 *
 * A page is one HTML file that needs nothing else: no network, no script. It is made from the JSON of reports. What a
 * report of another version lacks, or has in another form, is left out. */

/* A report: its JSON, or with NULL the file that has it. */
typedef struct pare_report_document {
    const char *name; /* of the file; with json what the page calls it, or NULL */
    const char *json;
} pare_report_document;

/* *html: the page of one report, or of several with a table that compares them; freed with pare_text_free.
 * PARE_FORMAT_ERROR names a document that is no JSON, or no report of pare's (of pare_prune, pare_recover, pare_merge,
 * pare_robust, pare_evaluate, of `pare eval` or `pare sweep`; a pruning.json or recovery.json). */
PARE_API pare_status pare_report_page(const pare_report_document *documents, size_t count, char **html);

/* The same as files, which appear together or not at all; what is there is replaced. options->file must be given. */
PARE_API pare_status pare_report_write(const pare_report_document *documents, size_t count,
                                       const pare_page_options *options);

/* Fails as pare_report_write would before it makes anything; so does a file that is one of `others`, which the
 * caller reads or writes, or lies in a folder that is. */
PARE_API pare_status pare_report_check(const pare_page_options *options, const pare_named_file *others, size_t count);

#ifdef __cplusplus
}
#endif

#endif
