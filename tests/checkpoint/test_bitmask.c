/* Bits and values that do not belong together, and kernels that touch bytes beyond their arrays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "checkpoint/bitmask.h"
#include "tiny_model.h"

#include <sys/mman.h>

enum { LARGEST = 300, PAGE = 4096 };

/* `bytes` bytes that end where the next page may not be touched. */
typedef struct fenced {
    unsigned char *base, *data;
} fenced;

static fenced fence(size_t bytes) {
    unsigned char *base = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(base != MAP_FAILED && bytes <= PAGE);
    assert_int_equal(mprotect(base + PAGE, PAGE, PROT_NONE), 0);
    return (fenced){base, base + PAGE - bytes};
}

static void unfence(fenced memory) {
    assert_int_equal(munmap(memory.base, 2 * PAGE), 0);
}

/* Elements of which a share of `dense` in 16 is not zero; a third of those are -0. */
static void fill(unsigned char *data, size_t size, uint64_t count, unsigned dense, uint64_t *state) {
    for (uint64_t i = 0; i < count; i++) {
        uint32_t bits = tiny_random(state) % 16 < dense ? (uint32_t)tiny_random(state) | 1u : 0;
        if (bits && tiny_random(state) % 3 == 0) bits = size == 4 ? 0x80000000u : 0x8000u;
        memcpy(data + i * size, &bits, size);
    }
}

/* The definition, element by element; values: room for all. */
static uint64_t define(unsigned char *mask, unsigned char *values, const unsigned char *data, size_t size,
                       uint64_t count) {
    uint64_t ones = 0;
    memset(mask, 0, pare_bitmask_bytes(count));
    for (uint64_t i = 0; i < count; i++) {
        static const unsigned char zero[4];
        if (memcmp(data + i * size, zero, size) == 0) continue;
        mask[i / 8] = (unsigned char)(mask[i / 8] | 1u << i % 8);
        memcpy(values + ones++ * size, data + i * size, size);
    }
    return ones;
}

static void check(const pare_bitmask_kernels *kernels, size_t size, uint64_t count, unsigned dense, uint64_t *state) {
    unsigned char mask[LARGEST / 8 + 16], values[4 * LARGEST];
    fenced data = fence(size * count), out = fence(size * count), made = fence(pare_bitmask_bytes(count));
    fill(data.data, size, count, dense, state);
    uint64_t ones = define(mask, values, data.data, size, count);
    fenced tight = fence(size * ones), roomy = fence(size * count + PARE_BITMASK_SLACK);
    if (ones) memcpy(tight.data, values, size * ones);
    memset(out.base, 0xa5, PAGE);
    memset(made.base, 0xa5, PAGE);
    assert_int_equal(pare_bitmask_count(data.data, size, count), ones);
    assert_int_equal(pare_bitmask_ones(mask, pare_bitmask_bytes(count)), ones);
    assert_true(pare_bitmask_is_padded(mask, count));
    kernels->make(made.data, data.data, size, count);
    assert_memory_equal(made.data, mask, pare_bitmask_bytes(count));
    assert_int_equal(kernels->compress(roomy.data, data.data, size, count), ones);
    assert_memory_equal(roomy.data, values, size * ones);
    kernels->expand(out.data, mask, tight.data, size, count);
    assert_memory_equal(out.data, data.data, size * count);
    for (const unsigned char *p = out.base; p < out.data; p++)
        assert_int_equal(*p, 0xa5);
    for (const unsigned char *p = made.base; p < made.data; p++)
        assert_int_equal(*p, 0xa5);
    unfence(data), unfence(out), unfence(made), unfence(tight), unfence(roomy);
}

static void check_all(const pare_bitmask_kernels *kernels) {
    static const unsigned shares[] = {0, 1, 8, 15, 16};
    uint64_t state = 7;
    for (size_t size = 2; size <= 4; size += 2)
        for (size_t share = 0; share < sizeof shares / sizeof *shares; share++)
            for (uint64_t count = 0; count <= LARGEST; count += count < 140 ? 1 : 13)
                check(kernels, size, count, shares[share], &state);
}

static void plain_kernels_follow_the_definition(void **state) {
    (void)state;
    check_all(&pare_bitmask_plain);
}

static void vector_kernels_follow_the_definition(void **state) {
    (void)state;
    if (!pare_bitmask_x86()) {
        fprintf(stderr, "this CPU has no AVX-512 VBMI2: its kernels are not tested\n");
        skip();
    }
    check_all(pare_bitmask_x86());
}

static void sees_bits_in_the_padding(void **state) {
    (void)state;
    for (uint64_t count = 1; count <= 128; count++)
        for (uint64_t bit = 0; bit < 8 * pare_bitmask_bytes(count); bit++) {
            unsigned char mask[16] = {0};
            mask[bit / 8] = (unsigned char)(1u << bit % 8);
            assert_int_equal(pare_bitmask_is_padded(mask, count), bit < count);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_kernels_follow_the_definition),
        cmocka_unit_test(vector_kernels_follow_the_definition),
        cmocka_unit_test(sees_bits_in_the_padding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
