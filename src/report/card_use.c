/* What loads a model, and how it came about, for its card. */
#include "report/card_parts.h"
#include "report/chart_ink.h"
#include "report/markdown.h"
#include "support/memory.h"
#include "support/shell_word.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

/* Lines of code with a name in them. */
typedef struct snippet {
    const char *engine, *heading, *language;
    void (*write)(FILE *out, const json_t *report, const char *base);
} snippet;

/* A text as Python has it. */
static void write_literal(FILE *out, const char *text) {
    fputc('"', out);
    for (; *text; text++) {
        if (strchr("\"\\", *text)) fputc('\\', out);
        fputc(*text, out);
    }
    fputc('"', out);
}

/* True if a modeling file in the folder is what loads it. */
static bool needs_trust(const json_t *report) {
    return pare_page_string(report, "output.remote_code") != NULL;
}

static void write_transformers(FILE *out, const json_t *report, const char *base) {
    (void)base;
    const char *name = pare_card_name(report), *end = needs_trust(report) ? ", trust_remote_code=True)\n" : ")\n";
    bool images = pare_card_is_vision(report);
    const char *model = images ? "AutoModelForImageClassification" : "AutoModelForCausalLM",
               *reader = images ? "AutoImageProcessor" : "AutoTokenizer";
    fprintf(out, "from transformers import %s, %s\n\nmodel = %s.from_pretrained(", model, reader, model);
    write_literal(out, name);
    fprintf(out, "%s%s = %s.from_pretrained(", end, images ? "processor" : "tokenizer", reader);
    write_literal(out, name);
    fputs(end, out);
}

static void write_peft(FILE *out, const json_t *report, const char *base) {
    const char *model = pare_card_is_vision(report) ? "AutoModelForImageClassification" : "AutoModelForCausalLM";
    fprintf(out,
            "from peft import PeftModel\nfrom transformers import %s\n\n"
            "model = PeftModel.from_pretrained(%s.from_pretrained(",
            model, model);
    write_literal(out, base);
    fputs("), ", out);
    write_literal(out, pare_card_name(report));
    fputs(")\n", out);
}

static void write_word(FILE *out, const char *before, const char *word, const char *after) {
    fputs(before, out);
    pare_shell_word(out, word);
    fputs(after, out);
}

static void write_vllm(FILE *out, const json_t *report, const char *base) {
    (void)base;
    write_word(out, "vllm serve ", pare_card_name(report), needs_trust(report) ? " --trust-remote-code\n" : "\n");
}

static void write_llama(FILE *out, const json_t *report, const char *base) {
    (void)base;
    const char *name = pare_card_name(report);
    write_word(out, "python convert_hf_to_gguf.py ", name, " --outfile model.gguf\n");
    fputs("llama-cli -m model.gguf -p \"Once upon a time\"\n", out);
}

static void write_pare(FILE *out, const json_t *report, const char *base) {
    const char *name = pare_card_name(report);
    if (pare_card_is_adapter(report)) {
        write_word(out, "pare merge ", base, "");
        write_word(out, " --adapter ", name, " -o merged\n");
    } else if (pare_card_is_vision(report)) {
        write_word(out, "pare eval ", name, " --images DIR\n");
    } else {
        write_word(out, "pare generate ", name, " --prompt \"Once upon a time\"\n");
    }
}

static const snippet snippets[] = {{"transformers", "transformers", "python", write_transformers},
                                   {"peft", "peft", "python", write_peft},
                                   {"vllm", "vLLM", "sh", write_vllm},
                                   {"llama.cpp", "llama.cpp", "sh", write_llama},
                                   {"pare", "pare", "sh", write_pare}};

static bool reads(const json_t *report, const char *engine) {
    const json_t *engines = pare_page_at(report, "output.engines");
    for (size_t i = 0; i < json_array_size(engines); i++) {
        const char *name = json_string_value(json_array_get(engines, i));
        if (name && strcmp(name, engine) == 0) return true;
    }
    return false;
}

static void fence(pare_page *page, const snippet *s, const json_t *report, const char *base) {
    pare_ink_sheet sheet;
    char *code = NULL;
    if (pare_ink_begin(&sheet)) {
        s->write(sheet.out, report, base);
        code = pare_ink_end(&sheet);
    }
    page->lost |= !code;
    if (code) {
        pare_page_put(page, s->heading);
        pare_page_put(page, ":\n\n");
        pare_markdown_fence(page->out, s->language, code);
    }
    free(code);
}

/* What single weights have lost is in a folder of its own. */
static void write_residual(pare_page *page, const json_t *report) {
    const char *folder = pare_page_string(report, "sparsity.residual.folder");
    if (!folder) return;
    pare_page_say(
        page, "What the matrices have lost is an adapter of rank %.0f in %s, to be loaded with PEFT after the model:",
        pare_page_number(report, "sparsity.residual.rank"), folder);
    fputs("\n\n```python\nfrom peft import PeftModel\n\nmodel = PeftModel.from_pretrained(model, ", page->out);
    write_literal(page->out, pare_card_name(report));
    fprintf(page->out, ", subfolder=\"%s\")\n```\n\n", folder);
}

static void write_loading(pare_page *page, const json_t *report, const char *base) {
    const char *load = pare_page_string(report, "output.load"), *speed = pare_page_string(report, "output.speed");
    pare_page_heading(page, "How to load it");
    if (load) pare_page_say(page, "The model %s. ", load);
    if (speed) pare_page_say(page, "What is faster: %s.", speed);
    pare_page_put(page, "\n\n");
    for (size_t i = 0; i < sizeof snippets / sizeof *snippets; i++)
        if (reads(report, snippets[i].engine)) fence(page, &snippets[i], report, base);
    write_residual(page, report);
}

static void write_again(pare_page *page, const json_t *report) {
    const char *command = pare_page_string(report, "command");
    const json_t *recipe = pare_page_at(report, "recipe");
    char *text = NULL;
    if (!command && !json_object_size(recipe)) return;
    pare_page_heading(page, "How to make it again");
    if (command) pare_markdown_fence(page->out, "sh", command);
    if (!json_object_size(recipe)) return;
    pare_page_put(page, "The recipe in full (`recipe.json`, which `pare prune --recipe` takes):\n\n");
    if (pare_json_dump(recipe, "the recipe", JSON_INDENT(1) | JSON_REAL_PRECISION(12), &text) == PARE_OK)
        pare_markdown_fence(page->out, "json", text);
    else
        page->lost = true;
    pare_free(text);
}

const char *pare_card_licence_file(const json_t *report, size_t index) {
    static const char *const patterns[] = {"LICENSE*", "NOTICE*", "USE_POLICY*"};
    const json_t *files = pare_page_at(report, "output.files");
    for (size_t p = 0; p < sizeof patterns / sizeof *patterns; p++)
        for (size_t i = 0; i < json_array_size(files); i++) {
            const char *name = json_string_value(json_array_get(files, i));
            if (name && fnmatch(patterns[p], name, FNM_CASEFOLD) == 0 && !index--) return name;
        }
    return NULL;
}

static void write_licences(pare_page *page, const json_t *report) {
    if (!pare_card_licence_file(report, 0)) return;
    pare_page_heading(page, "Licence");
    pare_page_put(page, "That of the model before, whose files are here: ");
    for (size_t i = 0; pare_card_licence_file(report, i); i++)
        pare_page_say(page, "%s%s", i ? ", " : "", pare_card_licence_file(report, i));
    pare_page_put(page, ".\n\n");
}

void pare_card_use(pare_page *page, const json_t *report, const char *base) {
    write_loading(page, report, base);
    write_again(page, report);
    write_licences(page, report);
}
