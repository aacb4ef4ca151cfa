#include "tokenizer/gguf_pre.h"

#include <string.h>

#define CONTRACTIONS "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define SPACES "|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define LETTERS "[^\\r\\n\\p{L}\\p{N}]?\\p{L}+"
#define OTHERS "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*"
/* Words of capitals and small letters, as o200k has them. */
#define SMALL "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+"
#define CAPITAL "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*"
#define OTHERS_AND_SLASHES "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*"

static const pare_gguf_pre rows[] = {
    {.names = {"llama-bpe", "llama3", "llama-v3", "falcon3", "pixtral", "lfm2"},
     .splits = {CONTRACTIONS "|" LETTERS "|\\p{N}{1,3}" OTHERS SPACES},
     .whole_words = true,
     .adds_bos = true},
    {.names = {"dbrx", "smaug-bpe", "chatglm-bpe", "glm4"},
     .splits = {CONTRACTIONS "|" LETTERS "|\\p{N}{1,3}" OTHERS SPACES}},
    {.names = {"qwen2", "deepseek-r1-qwen", "megrez", "kormo"},
     .splits = {CONTRACTIONS "|" LETTERS "|\\p{N}" OTHERS SPACES},
     .nfc = true},
    {.names = {"stablelm2", "hunyuan"}, .splits = {CONTRACTIONS "|" LETTERS "|\\p{N}" OTHERS SPACES}},
    {.names = {"gpt-4o", "llama4", "kanana2"},
     .splits = {SMALL CONTRACTIONS "?|" CAPITAL CONTRACTIONS "?|\\p{N}{1,3}" OTHERS_AND_SLASHES SPACES}},
    {.names = {"tekken"},
     .splits = {SMALL "|" CAPITAL "|\\p{N}" OTHERS_AND_SLASHES SPACES},
     .whole_words = true,
     .adds_bos = true},
    {.names = {"gpt-2", "phi-2", "mpt", "olmo", "jais", "gigachat", "trillion", "a.x-4.0", "mellum", "modern-bert",
               "granite-docling"},
     .gpt2 = true},
    {.names = {"smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b"},
     .splits = {"\\p{N}"},
     .gpt2 = true},
    {.names = {"default"},
     .splits = {"[\\p{P}\\$\\+<=>\\^~\\|]+",
                "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)", "\\p{N}+",
                "[0-9][0-9][0-9]"}},
};

enum { ROWS = sizeof rows / sizeof *rows };

const pare_gguf_pre *pare_gguf_pre_at(size_t index) {
    return index < ROWS ? &rows[index] : NULL;
}

const pare_gguf_pre *pare_gguf_pre_find(const char *name) {
    for (size_t i = 0; i < ROWS; i++)
        for (size_t j = 0; j < PARE_GGUF_PRE_NAMES && rows[i].names[j]; j++)
            if (strcmp(rows[i].names[j], name) == 0) return &rows[i];
    return NULL;
}
