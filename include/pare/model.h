/* SPDX-License-Identifier: Apache-2.0
 *
 * Part of pare.h, which is what programs include. Models, their tokenizers, and texts to calibrate on. */
#ifndef PARE_MODEL_H
#define PARE_MODEL_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- models ---------------------------------------------------------------------------------------------------- */

typedef struct pare_model pare_model;

/* Opens a checkpoint of a family of docs/families.md: config.json, and model.safetensors, pytorch_model.bin or the
 * shards of either; or params.json and Meta's consolidated.*.pth; or a GGUF file. path: the folder; or a file of
 * weights with config.json beside it; or a GGUF file, or a part of one that is split; or a models--ORG--NAME folder of
 * the Hugging Face cache, or ORG/NAME that is in it (docs/checkpoints.md). Weights are mapped, not read, and nothing in
 * a pickle is run; those of GGUF's quantised types are unpacked block by block where they are used, as bf16. Every
 * header, offset, shape and dtype is checked here. Free with pare_model_close. */
PARE_API pare_status pare_model_open(const char *path, pare_model **out);
PARE_API void pare_model_close(pare_model *model);

/* Everything about a model as one JSON text: architecture, widths per layer, parameters, dtype, bytes, tokens (or why
 * its tokenizer cannot be used); with `tensors` also every tensor's shape, dtype and share of zeros (which reads the
 * whole model). Free with pare_text_free. */
PARE_API pare_status pare_model_describe(const pare_model *model, bool tensors, char **json);

/* True for a vision transformer: then wherever files of text are named, folders of pictures are (docs/images.md), and
 * "self" is refused. */
PARE_API bool pare_model_reads_pictures(const pare_model *model);

/* The families of models that pare knows, as one JSON text: {"families": [{"name": model_type, "class": of
 * transformers, "models": for people, "heads": which numbers of heads may be left, "ffn", "hidden": whether FFN and
 * hidden channels can go, "written_as": the classes that hold a smaller one, its own first, "gguf": the architectures
 * of GGUF files that are read as it}]}. Free with pare_text_free. */
PARE_API pare_status pare_families_describe(char **json);
PARE_API void pare_text_free(char *text);

/* What the headers of safetensors and GGUF files, or the state dicts of torch.save, tell of any model, as one JSON
 * text: names, shapes, dtypes, parameters, and from config.json architecture and rotary positions. For what
 * pare_model_open refuses: `refused` is its sentence, which becomes the member "refused". Fails if there are no such
 * files that can be read. */
PARE_API pare_status pare_checkpoint_describe(const char *path, const char *refused, char **json);

typedef struct pare_map_options {
    size_t size;         /* of the struct, as its _INIT has it; or 0 */
    const char *matrix;  /* as pare_model_describe names tensors, or its end: "layers.3.mlp.down_proj" */
    const char *against; /* the model that this one was pruned from; NULL: none */
    const char *picture; /* file to write, .png or .svg; NULL: none */
} pare_map_options;

/* Where the weights of a matrix lie, of any model whose tensors can be read: shares that are not zero and means of |w|
 * in at most 64 x 64 tiles, of rows and of columns, and how far these vary beside what they would by chance (for what
 * is kept: binomially; z: the chi-square of their deviations as a normal deviate). Beside the model that it was pruned
 * from, all is told in that one's rows and columns (pruning.json says which ones are left), with |w| before and how far
 * what is left moved. *report: JSON (free with pare_text_free). */
PARE_API pare_status pare_map(const char *path, const pare_map_options *options, char **report);

typedef struct pare_export_options {
    size_t size;        /* of the struct, as its _INIT has it; or 0 */
    const char *output; /* a GGUF file, OUT.gguf; or a folder, as Hugging Face has them */
    const char *type;   /* of the numbers. GGUF: f32, f16, bf16, q8_0, q6_k, q5_k_m, q5_k_s, q4_k_m, q4_k_s, q5_1, q5_0,
                         * q4_1, q4_0, mixed as llama.cpp's llama-quantize mixes them; NULL: f16. A folder: f32, f16 or
                         * bf16; NULL: as the model has them, bf16 for what is stored in blocks */
    bool force;         /* replace output if it exists */
    const char *importance; /* an importance matrix of the model (pare_imatrix), by which the columns of a GGUF file's
                             * matrices are weighed as their numbers become blocks; NULL: all alike */
    bool remote_code;       /* of a folder; as pare_prune has it */
} pare_export_options;

/* Writes the model in another form. OUTPUT appears complete or not at all, after it was opened again and compared with
 * the model. *report: JSON with parameters, seconds, files (free with pare_text_free). What a form cannot hold is
 * refused with PARE_UNSUPPORTED. */
PARE_API pare_status pare_export(const pare_model *model, const pare_export_options *options,
                                 const pare_runtime *runtime, char **report);
/* The types of GGUF files by index; NULL after the last. */
PARE_API const char *pare_export_type(size_t index);

PARE_API uint64_t pare_model_parameters(const pare_model *model);
PARE_API uint64_t pare_model_bytes(const pare_model *model);

/* ---- text ------------------------------------------------------------------------------------------------------ */

typedef struct pare_tokenizer pare_tokenizer;

/* path: tokenizer.json or tokenizer.model (SentencePiece of type BPE or Unigram, or tiktoken as Llama 3 has it),
 * vocab.json beside merges.txt, or a directory with any of them (the first of this order is taken). Free with
 * pare_tokenizer_close. */
PARE_API pare_status pare_tokenizer_open(const char *path, pare_tokenizer **out);
PARE_API void pare_tokenizer_close(pare_tokenizer *tokenizer);

/* *ids: the text's ids without any automatic BOS (free with pare_ids_free). Any bytes are allowed. */
PARE_API pare_status pare_tokenizer_encode(const pare_tokenizer *tokenizer, const char *text, size_t bytes,
                                           uint32_t **ids, size_t *count);
PARE_API void pare_ids_free(uint32_t *ids);

/* The ids' text (free with pare_text_free); *bytes may be NULL. */
PARE_API pare_status pare_tokenizer_decode(const pare_tokenizer *tokenizer, const uint32_t *ids, size_t count,
                                           char **text, size_t *bytes);

PARE_API uint32_t pare_tokenizer_size(const pare_tokenizer *tokenizer);
/* -1 if the tokenizer names none. adds_bos: whether it puts BOS, or other tokens, in front of a text by itself. */
PARE_API int64_t pare_tokenizer_bos(const pare_tokenizer *tokenizer);
PARE_API int64_t pare_tokenizer_eos(const pare_tokenizer *tokenizer);
PARE_API bool pare_tokenizer_adds_bos(const pare_tokenizer *tokenizer);

/* ---- calibration ----------------------------------------------------------------------------------------------- */

typedef struct pare_calibration_options {
    const char *source; /* a folder of pictures for a model that reads these; else a file of text, or of JSON rows:
                         * texts, chats, integer lists = ready ids (docs/text.md); or "self"; NULL: "self" */
    const char *field;  /* the text's key in rows; NULL: "text" */
    uint32_t samples;   /* 0: 10 (128 for methods that refit), or all sequences of an id file; 256 pictures */
    uint32_t length;    /* tokens per sample; 0: 128, or the length of an id file's sequences */
    bool stream;        /* windows from one joined stream instead of from single documents; always so for a refit */
} pare_calibration_options;

#ifdef __cplusplus
}
#endif

#endif
