/* Texts as the Python code of lm-evaluation-harness treats them. */
#ifndef PARE_EVALUATE_TASK_TEXT_H
#define PARE_EVALUATE_TASK_TEXT_H

#include <stddef.h>
#include <stdint.h>

/* All texts are UTF-8; those made are freed with free(). */

/* Without white space (str.isspace) at both ends. */
char *pare_text_strip(const char *text);
/* Bytes of the white space at the end. */
size_t pare_text_trailing_space(const char *text);
/* str.capitalize: the first character in title case, all others in lower case, where a sigma that ends a word is a
 * final one. */
char *pare_text_capitalize(const char *text);
/* What the harness makes of WikiHow's marks in HellaSwag: strips, turns " [title]" into ". ", deletes shortest [...]
 * within a line, and makes one space of every two, once from left to right. */
char *pare_text_without_marks(const char *text);
/* Code points. */
uint32_t pare_text_characters(const char *text);

#endif
