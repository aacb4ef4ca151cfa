/* What a teacher says of every prediction of a data set, drawn once and kept in a file: `draws` ids out of its
 * distribution p, each worth 1 / draws, which estimate p without bias (Random Sampling Knowledge Distillation,
 * Anshumann et al. 2025, arXiv 2503.16870). They are drawn systematically: draw k is the id in which p, added up over
 * the vocabulary, passes (k + u) / draws, u uniform in [0, 1) by seed and prediction. So an id of probability p is
 * drawn draws p times on average, and always as often as that, rounded down or up.
 *
 * With p' the share of each id among the draws, kd (q - p') is an unbiased estimate of the gradient kd (q - p) at the
 * logits, and KL(p' || q) + H(p') - H(p) of the divergence; H(p') - H(p) is kept with the draws. */
#ifndef PARE_TRAIN_TEACHER_CACHE_H
#define PARE_TRAIN_TEACHER_CACHE_H

#include "model/teacher.h"
#include "support/digest.h"
#include "train/batches.h"

typedef struct pare_teacher_cache pare_teacher_cache;

/* All that the draws depend on. */
typedef struct pare_teacher_cache_key {
    char teacher[PARE_DIGEST_TEXT], data[PARE_DIGEST_TEXT]; /* SHA-256 */
    uint64_t seed, predictions;
    uint32_t vocabulary, operand;
} pare_teacher_cache_key;

/* Bytes of the file. */
uint64_t pare_teacher_cache_bytes(const pare_teacher_cache_key *key);

/* Refuses more predictions than a cache can number. */
pare_status pare_teacher_cache_check(const char *path, uint64_t predictions);

/* Runs the teacher once over all examples of the batches. memory: bytes that its pass may take; 0: no limit. The file
 * appears complete or not at all. Ranks (support/peer.h) make it together: it is the first one's. */
pare_status pare_teacher_cache_make(const char *path, const pare_teacher_cache_key *key, const pare_model *teacher,
                                    const pare_backend *backend, pare_batches *batches, uint64_t memory,
                                    const pare_runtime *runtime);

/* Refuses a file that is damaged, or of another key, and says in what. Free with pare_teacher_cache_close. */
pare_status pare_teacher_cache_open(const char *path, const pare_teacher_cache_key *key, pare_teacher_cache **out);
void pare_teacher_cache_close(pare_teacher_cache *cache);
/* What the first rank has opened, on all of them: others take a copy of it in `scratch`, a folder; NULL: in memory. */
pare_status pare_teacher_cache_share(const char *scratch, pare_teacher_cache **cache);
/* SHA-256 of what is in it. */
void pare_teacher_cache_digest(const pare_teacher_cache *cache, char text[PARE_DIGEST_TEXT]);

/* A teacher that says what the cache has. tokens: most of a batch; its layouts have numbers (layout.h). */
typedef struct pare_cached_teacher pare_cached_teacher;
pare_status pare_cached_teacher_new(const pare_teacher_cache *cache, int64_t tokens, double ce, double kd,
                                    pare_cached_teacher **out);
void pare_cached_teacher_free(pare_cached_teacher *teacher);
const pare_teacher *pare_cached_teacher_of(const pare_cached_teacher *teacher);
/* Bytes that one holds. */
uint64_t pare_cached_teacher_bytes(uint32_t vocabulary, int64_t tokens);

#endif
