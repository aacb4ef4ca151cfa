/* Pictures as a model reads them: all of one size, in memory while they are small, else in a scratch file. */
#ifndef PARE_IMAGE_ALBUM_H
#define PARE_IMAGE_ALBUM_H

#include "image/processor.h"
#include "image/set.h"
#include "image/skipped.h"
#include "support/digest.h"

typedef struct pare_album pare_album;

/* Copies the processor. *out has one holder; each further one says so with pare_album_retain, which hands the same
 * album back, and all let go with pare_album_release (NULL does nothing). Holders may be threads of their own, but only
 * one thread may use an album while it is changed. */
pare_status pare_album_new(const pare_image_processor *processor, pare_album **out);
pare_album *pare_album_retain(pare_album *album);
void pare_album_release(pare_album *album);

/* Decodes, converts, resizes and crops picture `index` of the set, and adds it with its label. One that is damaged or
 * of a kind that is not read is skipped (*added false) and counted in `skipped`; a file that cannot be read, and want
 * of memory or of room on the disk, fail. */
pare_status pare_album_add(pare_album *album, const pare_image_set *set, uint32_t index, pare_skipped *skipped,
                           bool *added);

/* Adds `count` pictures of random pixels with random labels below `labels`, for checks; drawn from `seed`, the same on
 * every machine. labels: above 0. */
pare_status pare_album_add_noise(pare_album *album, uint64_t seed, uint32_t count, uint32_t labels);

uint32_t pare_album_count(const pare_album *album);
/* -1: none. */
int32_t pare_album_label(const pare_album *album, uint32_t picture);
/* [height, width, channels]; valid until the next picture is added. */
const uint8_t *pare_album_pixels(const pare_album *album, uint32_t picture);
/* Width, height and channels, and how pixels become numbers. */
const pare_image_processor *pare_album_processor(const pare_album *album);

/* out: [patches, channels * patch_height * patch_width], normalised. Patches are in rows from the top left; in each
 * channel, row, column, as a convolution's weight [d, channels, patch_height, patch_width] has them. What a patch's
 * size leaves over on the right and at the bottom is not read. */
void pare_album_patches(const pare_album *album, uint32_t picture, uint32_t patch_height, uint32_t patch_width,
                        float *out);

/* SHA-256 of size, pixels and labels of `count` pictures, in this order: pictures[0], pictures[stride], .. */
pare_status pare_album_digest(const pare_album *album, const uint32_t *pictures, size_t stride, uint32_t count,
                              char text[PARE_DIGEST_TEXT]);

#endif
