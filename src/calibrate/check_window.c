#include "calibrate/check_window.h"
#include "calibrate/pictures.h"
#include "support/memory.h"

pare_status pare_check_window(const pare_model *model, const uint32_t *ids, uint32_t count, pare_windows *out) {
    enum { TOKENS = 32 };
    const pare_config *config = &model->config;
    bool pictures = pare_reads_pictures(config);
    if (pictures && !count) return pare_pictures_noise(model, 1, out);
    uint32_t most = pictures || config->max_positions < TOKENS ? config->max_positions : TOKENS;
    *out = (pare_windows){.count = 1, .length = count && count < most ? count : most};
    PARE_TRY(pare_alloc_uninitialized(&out->ids, out->length, sizeof *out->ids, "token ids"));
    for (uint32_t i = 0; i < out->length; i++)
        out->ids[i] = count ? ids[i] : (uint32_t)((i * 7919u + 1u) % config->vocabulary);
    return PARE_OK;
}
