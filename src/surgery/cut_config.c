#include "support/memory.h"
#include "surgery/cut.h"

pare_status pare_cut_config(const pare_model *model, const pare_selection *selection, char **text,
                            pare_config_kind *kind) {
    pare_widths *widths = NULL;
    bool *dropped = NULL;
    *text = NULL;
    pare_status status = pare_alloc(&widths, selection->layers, sizeof *widths, "widths");
    if (status == PARE_OK) status = pare_alloc(&dropped, selection->layers, sizeof *dropped, "dropped layers");
    if (status == PARE_OK) {
        pare_selection_widths(selection, widths);
        for (uint32_t i = 0; i < selection->layers; i++)
            dropped[i] = selection->layer[i].dropped;
        pare_config_sizes sizes = {.hidden = selection->hidden,
                                   .layers = pare_selection_layers(selection),
                                   .widths = widths,
                                   .dropped = dropped};
        status = pare_config_write(&model->config, &sizes, text, kind);
    }
    pare_free(widths);
    pare_free(dropped);
    return status;
}
