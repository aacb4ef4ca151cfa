/* Work that several runs on one model share: calibration windows, unit scores, how the dense model does on texts and
 * pictures. Entries are found by everything that they depend on. A NULL cache holds nothing. */
#ifndef PARE_SCORE_CACHE_H
#define PARE_SCORE_CACHE_H

#include "calibrate/calibration.h"
#include "calibrate/output_fisher.h"
#include "report/parts.h"
#include "score/score.h"

/* True if it was there: then *out is a copy that the caller frees. `give` keeps a copy. */
bool pare_cache_windows_take(pare_cache *cache, const pare_model *model, const pare_calibration_request *request,
                             pare_windows *out, char digest[65]);
pare_status pare_cache_windows_give(pare_cache *cache, const pare_model *model, const pare_calibration_request *request,
                                    const pare_windows *windows, const char *digest);

bool pare_cache_scores_take(pare_cache *cache, const pare_score_request *request, pare_score_result *out);
pare_status pare_cache_scores_give(pare_cache *cache, const pare_score_request *request,
                                   const pare_score_result *result);

/* Index scores: what a signal gives before it becomes units. One pass feeds every salience that reads its signal, and
 * any grouping of them. find: borrowed from the cache; *made: loss and trace, freed with pare_score_free. give: takes
 * *indices over and leaves it empty. */
const pare_index_scores *pare_cache_indices_find(pare_cache *cache, const pare_score_request *request,
                                                 pare_score_result *made);
pare_status pare_cache_indices_give(pare_cache *cache, const pare_score_request *request, pare_index_scores *indices,
                                    const pare_score_result *made);

/* How the dense model does on a text or a set of pictures: the side before of a pair, whose other members stay as they
 * are. name: the text and how it is cut. */
bool pare_cache_before_take(pare_cache *cache, const pare_model *model, const char *name, pare_text_pair *pair);
pare_status pare_cache_before_give(pare_cache *cache, const pare_model *model, const char *name,
                                   const pare_text_pair *pair);

/* Windows of a text or a set of pictures. name: the text and how it is cut. */
bool pare_cache_text_take(pare_cache *cache, const pare_model *model, const char *name, pare_windows *out);
pare_status pare_cache_text_give(pare_cache *cache, const pare_model *model, const char *name,
                                 const pare_windows *windows);

/* Output metrics of the dense model. name: what they were gathered from. The cache takes what it is given (and empties
 * *fisher), lends it as long as it lives, and holds one at a time. NULL: it has none of that name. */
const pare_output_fisher *pare_cache_fisher_find(pare_cache *cache, const pare_model *model, const char *name);
pare_status pare_cache_fisher_give(pare_cache *cache, const pare_model *model, const char *name,
                                   pare_output_fisher *fisher);

/* That the model's files were read and are sound. */
bool pare_cache_scanned(pare_cache *cache, const pare_model *model);
pare_status pare_cache_scan_note(pare_cache *cache, const pare_model *model);

#endif
