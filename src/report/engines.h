/* Which engines read a model that was written, by name, for what makes use of it: reports and cards. */
#ifndef PARE_REPORT_ENGINES_H
#define PARE_REPORT_ENGINES_H

#include "model/config_write.h"
#include "select/selection.h"

/* "transformers", "vllm", "llama.cpp", "pare"; NULL after the last. kind: what it is written as; changed: its class, or
 * the number of heads that its class takes for granted, is not the original's. */
const char *const *pare_report_engines(const pare_config *config, pare_config_kind kind, bool changed);
/* Whether llama.cpp has an architecture for what a selection leaves of a model, layers of different widths among them.
 * added_biases: bits of roles that the model had not. */
pare_status pare_report_fits_gguf(const pare_config *config, const pare_selection *selection, uint32_t added_biases,
                                  bool *fits);
/* What the model does, as the Hub has it in pipeline_tag. */
const char *pare_report_pipeline(const pare_config *config);
/* Of a model as it is. */
const char *const *pare_report_engines_of(const pare_config *config);
/* Of what only pare reads. */
const char *const *pare_report_engines_own(void);
/* Of one that transformers loads with a modeling file of ours, and vLLM perhaps. */
const char *const *pare_report_engines_trusted(bool vllm);
/* Of an adapter. */
const char *const *pare_report_engines_adapter(void);

#endif
