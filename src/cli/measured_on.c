#include "measured_on.h"

#include "message.h"
#include "terminal.h"

pare_measured_on pare_measured_on_of(const pare_arguments *arguments) {
    if (arguments->images) return (pare_measured_on){&arguments->images, 1};
    return (pare_measured_on){arguments->texts.count ? arguments->texts.words : NULL, arguments->texts.count};
}

/* Options about texts, which would change nothing. */
static const char *about_texts(const pare_arguments *a) {
    const struct {
        bool given;
        const char *option;
    } rows[] = {{a->window != 0, "--window"},
                {a->length != 0, "--length"},
                {a->field != NULL, "--field"},
                {a->wording >= 0, "--wording"},
                {a->stream, "--calib-stream"},
                {a->protocol >= 0, "--protocol"},
                {a->cutoff != 0, "--cutoff"},
                {a->pack, "--pack"},
                {a->train_on_prompt >= 0, "--train-on-prompt"},
                {a->group_by_length >= 0, "--group-by-length"},
                {a->tasks != NULL, "--tasks"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].given) return rows[i].option;
    return NULL;
}

int pare_measured_on_check(const pare_arguments *arguments, const pare_model *model, const char *name) {
    bool pictures = pare_model_reads_pictures(model);
    const pare_shown quoted = pare_quote(name);
    const char *option = pictures ? about_texts(arguments) : NULL;
    if (arguments->texts.count && arguments->images)
        pare_terminal_fail("--text is for models that read text, --images for those that read pictures: give one");
    else if (pictures && arguments->texts.count)
        pare_terminal_fail("%s reads pictures: give --images DIR in place of --text", quoted.text);
    else if (!pictures && arguments->images)
        pare_terminal_fail("%s reads text: give --text FILE in place of --images", quoted.text);
    else if (option)
        pare_terminal_fail("%s is about texts, and %s reads pictures: leave it out", option, quoted.text);
    else
        return PARE_EXIT_DONE;
    return PARE_EXIT_USAGE;
}
