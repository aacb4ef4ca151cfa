/* Which pictures there are, and their labels, before any is decoded. */
#ifndef PARE_IMAGE_SET_H
#define PARE_IMAGE_SET_H

#include "image/image.h"

typedef struct pare_image_set pare_image_set; /* freed with pare_image_set_close */

/* path: a folder with one folder per class (pictures in it, at any depth), in order of the class folder's name, then
 * the file's, byte by byte; a folder with one idx file of pictures, or that file; one picture, or a folder with nothing
 * but pictures, which have no labels. names: [count] of the model's classes, by label; NULL: they have none. How class
 * folders become labels: labels.h. Hidden files are passed over; other files that are no pictures by name nor by first
 * bytes are left out with a note. One sentence where there are no pictures, where folders and labels do not go with the
 * model's classes, and where it is not clear which pictures are meant. */
pare_status pare_image_set_open(const char *path, const char *const *names, uint32_t count, pare_image_set **out);

/* The files as they stand, and what lies in folders among them; without labels. */
pare_status pare_image_set_list(const char *const *paths, size_t count, pare_image_set **out);

void pare_image_set_close(pare_image_set *set);

/* At least 1, below 2^31. */
uint32_t pare_image_set_count(const pare_image_set *set);

/* Its path, or "FILE[7]" of an idx file; freed with free(). NULL without memory (pare_lost). */
char *pare_image_set_name(const pare_image_set *set, uint32_t index);

/* -1: none. All pictures have one, or none has. */
int32_t pare_image_set_label(const pare_image_set *set, uint32_t index);

/* One sentence about what was left out or how folders became labels; NULL: nothing to say. The set's own. */
const char *pare_image_set_note(const pare_image_set *set);

/* The folder that names are short in, with its slash; "" where there is none. The set's own. */
const char *pare_image_set_root(const pare_image_set *set);

/* Decodes one, with 1 or 3 channels; fails as pare_image_read does. */
pare_status pare_image_set_read(const pare_image_set *set, uint32_t index, uint32_t channels, pare_image *out);

/* order: [all], every picture of the set once, uniformly drawn from `seed`. */
void pare_image_set_draw(const pare_image_set *set, uint64_t seed, uint32_t *order);

#endif
