/* Decoders of the formats that are read: the whole file is in memory, the picture has as many channels as the file. */
#ifndef PARE_IMAGE_FORMATS_H
#define PARE_IMAGE_FORMATS_H

#include "image/pixels.h"
#include "support/file.h"

/* Fail as pare_image_read does, and leave nothing in *out then. */
pare_status pare_png_decode(const pare_mapping *file, pare_image *out);
pare_status pare_jpeg_decode(const pare_mapping *file, pare_image *out);

#endif
