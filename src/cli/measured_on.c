#include "measured_on.h"

#include "message.h"
#include "outcome.h"
#include "terminal.h"

#include <string.h>

pare_measured_on pare_measured_on_of(const pare_arguments *arguments) {
    if (arguments->images) return (pare_measured_on){&arguments->images, 1};
    return (pare_measured_on){arguments->texts.count ? arguments->texts.words : NULL, arguments->texts.count};
}

const char *pare_measured_on_refusal(const pare_arguments *arguments) {
    bool texts = arguments->texts.count || arguments->images; /* of pictures the model says more */
    return arguments->continuations && !texts ? "--continuations goes on from texts: give --text FILE with it" : NULL;
}

/* Those that are about texts, and would change nothing; NULL after the last. */
static const char *const of_text[] = {"window", "length",          "field",           "wording", "protocol",
                                      "cutoff", "train-on-prompt", "group-by-length", "tasks",   "calib-stream",
                                      "pack",   "continuations",   "calib-share",     NULL};

/* The first that was given, or that a sweep goes over; or NULL. */
static const char *about_texts(const pare_arguments *a) {
    for (size_t i = 0; i < a->given.count; i++)
        for (size_t j = 0; of_text[j]; j++)
            if (strcmp(a->given.list[i].option->name, of_text[j]) == 0) return of_text[j];
    for (size_t i = 0; i < a->over.count; i++)
        for (size_t j = 0; of_text[j]; j++)
            if (strncmp(a->over.words[i], of_text[j], strlen(of_text[j])) == 0 &&
                a->over.words[i][strlen(of_text[j])] == '=')
                return of_text[j];
    return NULL;
}

static int check(const pare_arguments *arguments, const pare_model *model, const char *name) {
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
        pare_terminal_fail("--%s is about texts, and %s reads pictures: leave it out", option, quoted.text);
    else
        return PARE_EXIT_DONE;
    return PARE_EXIT_USAGE;
}

int pare_measured_on_open(const pare_arguments *arguments, const char *name, pare_model **model) {
    int code = pare_outcome_open(name, model);
    if (code == PARE_EXIT_DONE) code = check(arguments, *model, name);
    if (code == PARE_EXIT_DONE) return code;
    pare_model_close(*model);
    *model = NULL;
    return code;
}

int pare_measured_on_agree(const pare_arguments *a, const pare_model *model) {
    enum { MOST = 64 };
    const pare_measured_on on = pare_measured_on_of(a);
    const char *files[MOST];
    size_t count = 0;
    if (a->calibration) files[count++] = a->calibration;
    if (a->recipe) files[count++] = a->recipe;
    for (size_t i = 0; i < on.count && count < MOST; i++)
        files[count++] = on.list[i];
    pare_runtime runtime = pare_outcome_runtime(a);
    return pare_outcome_exit(pare_machines_agree(model, &runtime, files, count));
}
