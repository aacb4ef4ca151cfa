/* What a folder without weights that pare reads is, as far as names of files tell. */
#ifndef PARE_CHECKPOINT_FOLDER_KIND_H
#define PARE_CHECKPOINT_FOLDER_KIND_H

#include "support/status.h"

/* What is said of a file of that kind, after its name and "is", and of a folder that holds nothing else. */
#define PARE_ADVICE_GGUF "a GGUF file: give that file itself, which pare reads"
#define PARE_ADVICE_FRAMEWORK                                                                                          \
    "a model of TensorFlow, Flax or ONNX, which pare does not read: take the model's safetensors files, or save them " \
    "once with transformers"

/* Always fails, with a sentence: what `folder` is instead of a checkpoint, and what to do. */
pare_status pare_folder_explain(const char *folder);

#endif
