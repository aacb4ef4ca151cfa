#include "measured_on.h"

#include "message.h"
#include "terminal.h"

pare_measured_on pare_measured_on_of(const pare_arguments *arguments) {
    if (arguments->images) return (pare_measured_on){&arguments->images, 1};
    return (pare_measured_on){arguments->texts.count ? arguments->texts.words : NULL, arguments->texts.count};
}

int pare_measured_on_check(const pare_arguments *arguments, const pare_model *model) {
    const char *name = pare_quote(arguments->model).text;
    if (arguments->texts.count && arguments->images)
        pare_terminal_fail("--text is for models that read text, --images for those that read pictures: give one");
    else if (pare_model_reads_pictures(model) && arguments->texts.count)
        pare_terminal_fail("%s reads pictures: give --images DIR in place of --text", name);
    else if (!pare_model_reads_pictures(model) && arguments->images)
        pare_terminal_fail("%s reads text: give --text FILE in place of --images", name);
    else
        return PARE_EXIT_DONE;
    return PARE_EXIT_USAGE;
}
