/* Adapters inside experts, and beside matrices of latents: what those that PEFT has beside parameters of experts make
 * of the model, merged or beside it, gradients of their factors, and the files that pare writes and reads of them. */
#include "model/expert_tensors.h"
#include "peft_cases.h"
#include "safetensors_header.h"
#include "train/adapter_file.h"

#define EXPERT_ADAPTERS_GOLDEN PARE_SOURCE_DIR "/tests/data/expert_adapters.json"

static int setup(void **state) {
    return adapters_open(state, families_load_from(EXPERTS_GOLDEN), EXPERT_ADAPTERS_GOLDEN);
}

/* What a parameter of experts is made of, in the order of its rows. */
typedef struct parameter {
    const pare_model *model;
    bool down, interleaved;
    uint32_t layer;
    int64_t parts, experts, width, hidden;
} parameter;

/* "base_model.model.model.layers.1.mlp.experts.base_layer.lora_A.weight"; false if it is none. */
static bool parameter_of(const pare_model *model, const char *name, parameter *out) {
    const char *number = strstr(name, "layers."), *own = strstr(name, ".experts.");
    const pare_config *config = &model->config;
    if (!own) return false;
    *out = (parameter){.model = model,
                       .down = !strstr(own, "base_layer"),
                       .interleaved = strcmp(config->family->types[0], "gpt_oss") == 0,
                       .layer = (uint32_t)strtoul(number + strlen("layers."), NULL, 10),
                       .experts = config->experts.count,
                       .width = config->experts.width,
                       .hidden = config->hidden};
    out->parts = out->down ? 1 : 2;
    return true;
}

static pare_lora_factors factors_of(const pare_trained *lora, const parameter *p, int64_t expert, int64_t part) {
    pare_expert_part which = p->down ? PARE_EXPERT_DOWN : (pare_expert_part)part;
    return pare_lora_factors_of(lora, pare_tensor_id_expert(&p->model->config, p->layer, (uint32_t)expert, which));
}

/* A of gate and up is one, whose gradient is the sum of theirs: rows e r + k. B: columns k E + e. */
static double experts_product(const pare_trained *lora, const parameter *p, char factor, uint32_t stream,
                              double *squares) {
    int64_t columns = p->down ? p->width : p->hidden, rows = p->down ? p->hidden : p->width;
    double sum = 0.0;
    for (int64_t e = 0; e < p->experts; e++) {
        pare_lora_factors f[2] = {factors_of(lora, p, e, 0), factors_of(lora, p, e, p->parts - 1)};
        for (int64_t i = 0; factor == 'A' && i < f[0].rank * columns; i++) {
            double g = (double)lora->gradient[f[0].a + (size_t)i];
            if (p->parts == 2) g += (double)lora->gradient[f[1].a + (size_t)i];
            sum += g * (double)counted(stream, (uint32_t)(e * f[0].rank * columns + i));
            *squares += g * g;
        }
        for (int64_t part = 0; factor == 'B' && part < p->parts; part++)
            for (int64_t i = 0; i < rows * f[0].rank; i++) {
                int64_t row = i / f[0].rank, k = i % f[0].rank;
                int64_t place = p->interleaved && !p->down ? 2 * row + part : part * rows + row;
                double g = (double)lora->gradient[f[part].b + (size_t)i];
                sum += g * (double)counted(stream, (uint32_t)(place * f[0].rank * p->experts + k * p->experts + e));
                *squares += g * g;
            }
    }
    return sum;
}

/* Of any other matrix: the id is found by the tensor's name. */
static double matrix_product(const pare_trained *lora, const char *name, char factor, uint32_t stream,
                             double *squares) {
    char own[256];
    const char *begin = name + strlen("base_model.model."), *end = strstr(name, ".lora_");
    snprintf(own, sizeof own, "%.*s.weight", (int)(end - begin), begin);
    size_t id = 0;
    while (id < lora->model->tensor_count &&
           (!lora->model->tensors[id]->count || strcmp(lora->model->tensors[id]->name, own) != 0))
        id++;
    pare_lora_factors f = pare_lora_factors_of(lora, id);
    assert_true(f.rank > 0);
    size_t count = (size_t)(f.rank * (factor == 'A' ? f.columns : f.rows)), at = factor == 'A' ? f.a : f.b;
    double sum = 0.0;
    for (size_t i = 0; i < count; i++) {
        double g = (double)lora->gradient[at + i];
        sum += g * (double)counted(stream, (uint32_t)i);
        *squares += g * g;
    }
    return sum;
}

/* Of torch's, relative to the gradient's length. */
static void check_gradients(const adapters *a, const json_t *one, const family_model *m, const pare_trained *lora) {
    const double slope_bound = 1e-4;
    const pare_pass_shape shape = {.sequences = FAMILY_SEQUENCES,
                                   .length = FAMILY_LENGTH,
                                   .micro_batch = 1,
                                   .gradients = true,
                                   .rank = lora->adapters->rank,
                                   .frozen = true};
    pare_pass *pass;
    double loss;
    expect(pare_pass_new(m->model, a->backend, &shape, &pass), PARE_OK, "");
    pare_pass_adapt(pass, lora->adapters);
    expect(pare_pass_forward(pass, &lora->source, a->all.ids, FAMILY_SEQUENCES), PARE_OK, "");
    expect(pare_pass_gradient(pass, &lora->source, a->all.ids, NULL, &loss), PARE_OK, "");
    pare_pass_free(pass);
    size_t i;
    json_t *row;
    json_array_foreach(json_object_get(one, "factors"), i, row) {
        const char *name = json_string_value(json_array_get(row, 0));
        char factor = strstr(name, ".lora_")[strlen(".lora_")];
        double squares = 0.0, length = json_number_value(json_array_get(row, 3));
        parameter p;
        double sum = parameter_of(m->model, name, &p)
                         ? experts_product(lora, &p, factor, family_stream(name), &squares)
                         : matrix_product(lora, name, factor, family_stream(name), &squares);
        assert_true(length > 0.0);
        double error = fabs(sum - json_number_value(json_array_get(row, 2))) / length;
        if (!(error <= slope_bound) || !(fabs(sqrt(squares) - length) <= slope_bound * length))
            fail_msg("%s: gradient of %s is off by %.2g of its length, which is %.8g where %.8g", family_name(one),
                     name, error, sqrt(squares), length);
    }
}

static void check_experts(const adapters *a, const json_t *one, const family_model *m, const char *folder,
                          const pare_trained *lora) {
    merge_in(a, one, m, folder, PARE_COMPUTE_BF16, NULL); /* which sends some tokens to other experts */
    check_gradients(a, one, m, lora);
}

static void parameters_of_peft_do_what_they_do_there(void **state) {
    check_adapters_of_peft(*state, check_experts);
}

/* PEFT's names and shapes, twice the rank for gate and up together, which the config says; nothing lost on the way. */
static void what_is_written_is_read(void **state) {
    const adapters *a = *state;
    const char *const names[] = {"mixtral", "granitemoe", "gpt_oss", "deepseek_v2"};
    for (size_t n = 0; n < sizeof names / sizeof *names; n++) {
        size_t i = 0;
        while (strcmp(family_name(json_array_get(a->cases, i)), names[n]) != 0)
            i++;
        const json_t *one = json_array_get(a->cases, i);
        family_model m = open_case(a, one);
        pare_lora_options options = all_targets, read;
        options.dropout = 0.1;
        char *folder = tiny_folder(), *path = pare_path_join(folder, PARE_ADAPTER_CONFIG);
        pare_trained *lora, *back;
        expect(pare_trained_lora(m.model, a->backend, &options, &lora), PARE_OK, "");
        tiny_move(lora, 0.3f);
        expect(pare_lora_write_adapter(lora, &options, "base", folder), PARE_OK, "");
        json_t *header = safetensors_header_in(folder, PARE_ADAPTER_WEIGHTS), *config = load_json(path), *row;
        assert_int_equal(json_object_size(header), json_array_size(json_object_get(one, "factors")));
        json_array_foreach(json_object_get(one, "factors"), i, row) {
            const char *name = json_string_value(json_array_get(row, 0));
            bool both = strstr(name, "experts.base_layer") != NULL;
            const json_t *shape = json_object_get(json_object_get(header, name), "shape");
            for (size_t axis = 0; axis < 2; axis++) {
                bool ranks = axis == (size_t)(strstr(name, ".lora_B") != NULL);
                assert_int_equal(json_integer_value(json_array_get(shape, axis)),
                                 json_integer_value(json_array_get(json_array_get(row, 1), axis)) *
                                     (ranks && both ? 2 : 1));
            }
        }
        assert_true(json_real_value(json_object_get(config, "lora_dropout")) <= 0.0);
        assert_true(json_array_size(json_object_get(config, "target_parameters")) >= 2);
        json_array_foreach(json_object_get(config, "target_modules"), i, row)
            assert_null(strstr(json_string_value(row), "up_proj"));
        expect(pare_lora_read_adapter(m.model, a->backend, folder, &read, &back), PARE_OK, "");
        assert_int_equal(back->count, lora->count);
        assert_memory_equal(back->value, lora->value, lora->count * sizeof(float));
        json_decref(header);
        json_decref(config);
        pare_trained_free(back);
        pare_trained_free(lora);
        free(path);
        remove_folder(folder);
        family_close(&m);
    }
}

/* gate_proj alone is half of a parameter that has no other around it; down_proj alone is told from it. */
static void parts_alone_are_read(void **state) {
    const adapters *a = *state;
    const pare_role roles[] = {PARE_ROLE_GATE, PARE_ROLE_UP, PARE_ROLE_DOWN};
    for (size_t n = 0; n < 3; n++) {
        const json_t *one = json_array_get(a->cases, 0);
        family_model m = open_case(a, one);
        pare_lora_options options = {.rank = 2, .alpha = 3, .seed = 1}, read;
        options.targets[roles[n]] = true;
        char *folder = tiny_folder();
        pare_trained *lora, *back;
        expect(pare_trained_lora(m.model, a->backend, &options, &lora), PARE_OK, "");
        tiny_move(lora, 0.3f);
        expect(pare_lora_write_adapter(lora, &options, "base", folder), PARE_OK, "");
        expect(pare_lora_read_adapter(m.model, a->backend, folder, &read, &back), PARE_OK, "");
        assert_memory_equal(read.targets, options.targets, sizeof options.targets);
        assert_int_equal(back->count, lora->count);
        assert_memory_equal(back->value, lora->value, lora->count * sizeof(float));
        pare_trained_free(back);
        pare_trained_free(lora);
        remove_folder(folder);
        family_close(&m);
    }
}

/* As transformers 4 had them: every expert's matrices are linear layers. */
static void modules_of_single_experts_are_read(void **state) {
    const adapters *a = *state;
    const json_t *one = json_array_get(a->cases, 0); /* mixtral */
    static const char *const names[] = {
        "base_model.model.model.layers.1.block_sparse_moe.experts.2.w1.lora_A.weight",
        "base_model.model.model.layers.1.block_sparse_moe.experts.2.w1.lora_B.weight",
        "base_model.model.model.layers.0.block_sparse_moe.experts.0.w2.lora_A.weight",
        "base_model.model.model.layers.0.block_sparse_moe.experts.0.w2.lora_B.weight",
    };
    family_model m = open_case(a, one);
    const pare_config *config = &m.model->config;
    int rank = (int)json_integer_value(json_object_get(a->golden, "rank")), width = (int)config->experts.width;
    int d = (int)config->hidden;
    json_t *single = json_pack("{s:s,s:[[s,[i,i]],[s,[i,i]],[s,[i,i]],[s,[i,i]]]}", "name", "mixtral", "factors",
                               names[0], rank, d, names[1], width, rank, names[2], rank, width, names[3], d, rank);
    char *folder = write_adapter(a, single, "{}", "{}");
    pare_lora_options options;
    pare_trained *lora;
    expect(pare_lora_read_adapter(m.model, a->backend, folder, &options, &lora), PARE_OK, "");
    assert_int_equal(lora->count, 2 * rank * (width + d));
    pare_lora_factors gate = pare_lora_factors_of(lora, pare_tensor_id_expert(config, 1, 2, PARE_EXPERT_GATE));
    pare_lora_factors down = pare_lora_factors_of(lora, pare_tensor_id_expert(config, 0, 0, PARE_EXPERT_DOWN));
    const struct {
        size_t at;
        int64_t count;
    } found[] = {{gate.a, rank * d}, {gate.b, width * rank}, {down.a, rank * width}, {down.b, d * rank}};
    for (size_t n = 0; n < 4; n++)
        for (int64_t i = 0; i < found[n].count; i++)
            assert_true(!(fabsf(lora->value[found[n].at + (size_t)i] - family_weight(names[n], 2, (uint32_t)i)) > 0));
    pare_trained_free(lora);
    json_decref(single);
    remove_folder(folder);
    family_close(&m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parameters_of_peft_do_what_they_do_there),
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(parts_alone_are_read),
        cmocka_unit_test(modules_of_single_experts_are_read),
    };
    return cmocka_run_group_tests(tests, setup, adapters_close);
}
