/* What a user asks for in files, and what outputs are made of. */
#include "fuzz/target.h"
#include "method/recipe.h"
#include "report/front_matter.h"
#include "tiny_model.h"

/* A recipe that is accepted is written, read again, and the same. */
static pare_status read_recipe(const char *folder, const char *path) {
    pare_recipe recipe, again;
    pare_recipe_start(pare_recipe_find("best"), &recipe);
    PARE_TRY(pare_recipe_read(path, &recipe));
    PARE_TRY(pare_recipe_check(&recipe, path));
    json_t *settings = pare_recipe_json(&recipe);
    char *text = json_dumps(settings, 0), *written = pare_path_join(folder, "written.json");
    tiny_check(text != NULL, "json_dumps");
    tiny_write_text(folder, "written.json", text);
    pare_recipe_start(pare_recipe_find("best"), &again);
    fuzz_check(pare_recipe_read(written, &again) == PARE_OK, "a written recipe is read");
    json_t *back = pare_recipe_json(&again);
    fuzz_check(json_equal(settings, back), "a recipe that was written is read as it was");
    json_decref(settings);
    json_decref(back);
    free(text);
    free(written);
    return PARE_OK;
}

static void seed_recipe(const char *folder) {
    tiny_write_text(folder, "taylor", "{\"base\": \"taylor\", \"reduction\": \"max\", \"select\": \"global\"}");
    tiny_write_text(folder, "moreau", "{\"base\": \"moreau-gs\", \"eta\": 0.5, \"steps\": 3, \"sigma\": 0}");
    tiny_write_text(folder, "own", "{\"signal\": \"gradient\", \"salience\": \"param_mix\",\n \"compensate\": \"ls\"}");
}

/* A card's front matter that is accepted is written as it was read. */
static pare_status read_card(const char *folder, const char *path) {
    (void)folder;
    pare_mapping file;
    pare_front_matter matter = {0};
    const char *body = NULL;
    PARE_TRY(pare_mapping_open(path, &file));
    char *text = strndup(file.data ? (const char *)file.data : "", file.bytes), *written = NULL;
    size_t bytes = 0;
    pare_status status = pare_front_matter_read(text, &matter, &body);
    pare_mapping_close(&file);
    if (status == PARE_OK) {
        fuzz_check(body >= text && body <= text + strlen(text), "a card's text lies in the card");
        free(pare_front_matter_value(&matter, "license"));
        status = pare_front_matter_add(&matter, "tags", "pruned");
        FILE *out = open_memstream(&written, &bytes);
        tiny_check(out != NULL, "open_memstream");
        pare_front_matter_write(&matter, out);
        fclose(out);
        pare_front_matter again = {0};
        if (status == PARE_OK) {
            status = pare_front_matter_read(written, &again, &body);
            fuzz_check(status == PARE_OK && again.count == matter.count, "front matter is read as it was written");
        }
        pare_front_matter_free(&again);
        free(written);
    }
    pare_front_matter_free(&matter);
    free(text);
    return status;
}

static void seed_card(const char *folder) {
    tiny_write_text(folder, "card",
                    "---\n# of ours\nlicense: mit\ntags:\n- llama\n- \"a b\"\nlanguage: [en, de]\n---\n# A model\n");
    tiny_write_text(folder, "bare", "# A model\n");
}

const fuzz_target *const fuzz_job_targets[] = {
    &(const fuzz_target){.name = "recipe", .file = "recipe.json", .seed = seed_recipe, .read = read_recipe},
    &(const fuzz_target){.name = "card", .file = "README.md", .seed = seed_card, .read = read_card}, NULL};
