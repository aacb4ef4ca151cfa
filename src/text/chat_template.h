/* What can be told from the text of a chat template (Jinja) without running it: which format it is, and which of the
 * format's variants. */
#ifndef PARE_TEXT_CHAT_TEMPLATE_H
#define PARE_TEXT_CHAT_TEMPLATE_H

#include "text/chat_format.h"
#include "text/chat_style.h"

/* The template with line ends in place of "\n", single quotes in place of double ones, and literals that are added to
 * each other as one; freed with free(). */
char *pare_chat_template_normalize(const char *text);

bool pare_chat_template_fits(const pare_chat_format *format, const char *text);

/* Sets of style->format, which is a copy, what this template has otherwise, and the system's text. text: normalised. */
pare_status pare_chat_template_adapt(pare_chat_style *style, const char *text);

#endif
