/* What the linker left in program and shared library: they lie anywhere in memory, functions of other libraries are
 * bound and their table read-only before main, the stack is not executable; and, of optimised builds, functions guard
 * their return addresses and call what knows how large its room is. First, that each of these is missed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/memory.h"
#include "tiny_model.h"

#include <elf.h>
#include <link.h>

#ifndef DF_1_PIE
#define DF_1_PIE 0x08000000
#endif

typedef struct hardened {
    bool any_place, program, relro, bound, plain_stack, guarded, fortified;
} hardened;

typedef struct image {
    pare_mapping file;
    const ElfW(Ehdr) * header;
    const ElfW(Phdr) * segments;
} image;

/* `bytes` at an offset of the file, which must have them. */
static const void *image_at(const image *of, uint64_t offset, uint64_t bytes) {
    assert_true(offset <= of->file.bytes && bytes <= of->file.bytes - offset);
    return (const char *)of->file.data + offset;
}

static void read_dynamic(const image *of, const ElfW(Phdr) * segment, hardened *out) {
    const ElfW(Dyn) *entry = image_at(of, segment->p_offset, segment->p_filesz);
    for (size_t i = 0; i < segment->p_filesz / sizeof *entry && entry[i].d_tag != DT_NULL; i++) {
        if (entry[i].d_tag == DT_BIND_NOW) out->bound = true;
        if (entry[i].d_tag == DT_FLAGS && (entry[i].d_un.d_val & DF_BIND_NOW)) out->bound = true;
        if (entry[i].d_tag == DT_FLAGS_1) {
            if (entry[i].d_un.d_val & DF_1_NOW) out->bound = true;
            out->program = (entry[i].d_un.d_val & DF_1_PIE) != 0;
        }
    }
}

/* What is imported: __stack_chk_fail, and memcpy's kin whose names end with _chk. */
static void read_imports(const image *of, const ElfW(Shdr) * sections, hardened *out) {
    const ElfW(Shdr) *table = NULL;
    for (size_t i = 0; i < of->header->e_shnum && !table; i++)
        if (sections[i].sh_type == SHT_DYNSYM) table = &sections[i];
    assert_non_null(table);
    const ElfW(Shdr) *names = &sections[table->sh_link];
    const ElfW(Sym) *symbols = image_at(of, table->sh_offset, table->sh_size);
    const char *text = image_at(of, names->sh_offset, names->sh_size);
    for (size_t i = 0; i < table->sh_size / sizeof *symbols; i++) {
        const char *name = text + symbols[i].st_name;
        size_t length = strlen(name);
        if (symbols[i].st_shndx != SHN_UNDEF) continue;
        if (strcmp(name, "__stack_chk_fail") == 0) out->guarded = true;
        if (length > 4 && strncmp(name, "__", 2) == 0 && strcmp(name + length - 4, "_chk") == 0) out->fortified = true;
    }
}

static hardened read_image(const char *path) {
    image of;
    hardened out = {0};
    assert_int_equal(pare_mapping_open(path, &of.file), PARE_OK);
    of.header = image_at(&of, 0, sizeof *of.header);
    assert_memory_equal(of.header->e_ident, ELFMAG, SELFMAG);
    of.segments = image_at(&of, of.header->e_phoff, of.header->e_phnum * sizeof *of.segments);
    out.any_place = of.header->e_type == ET_DYN;
    for (size_t i = 0; i < of.header->e_phnum; i++) {
        const ElfW(Phdr) *segment = &of.segments[i];
        if (segment->p_type == PT_GNU_RELRO) out.relro = true;
        if (segment->p_type == PT_GNU_STACK) out.plain_stack = !(segment->p_flags & PF_X);
        if (segment->p_type == PT_DYNAMIC) read_dynamic(&of, segment, &out);
    }
    read_imports(&of, image_at(&of, of.header->e_shoff, of.header->e_shnum * sizeof(ElfW(Shdr))), &out);
    pare_mapping_close(&of.file);
    return out;
}

static void expect_hardened(const char *path, bool program) {
    hardened found = read_image(path);
    if (!found.any_place) fail_msg("%s lies at one place: no PIE", path);
    if (program && !found.program) fail_msg("%s is no PIE by its flags", path);
    if (!found.relro || !found.bound) fail_msg("%s has no full RELRO: -z relro -z now", path);
    if (!found.plain_stack) fail_msg("%s has a stack that can be executed", path);
    if (PARE_HARDENED_CODE && !found.guarded) fail_msg("%s has no -fstack-protector-strong", path);
    if (PARE_HARDENED_CODE && !found.fortified) fail_msg("%s has no -D_FORTIFY_SOURCE", path);
}

/* Links what the command says, and reads that. */
static hardened linked(const char *folder, const char *source, const char *flags) {
    tiny_write_text(folder, "small.c", source);
    char *command = pare_format("%s %s -o '%s/small' '%s/small.c' 2>&1", PARE_C_COMPILER, flags, folder, folder);
    char *path = pare_path_join(folder, "small");
    if (system(command) != 0) fail_msg("%s", command);
    hardened found = read_image(path);
    free(command);
    free(path);
    return found;
}

static void what_lacks_is_told(void **state) {
    (void)state;
    char *folder = tiny_folder();
    static const char bare[] = "int main(void) { return 0; }\n";
    static const char copies[] = "#include <stdio.h>\n#include <string.h>\n"
                                 "int main(int n, char **words) { char room[8]; strcpy(room, words[n - 1]);\n"
                                 "return puts(room) < 0; }\n";
    assert_false(linked(folder, bare, "-fno-pie -no-pie").any_place);
    assert_false(linked(folder, bare, "-Wl,-z,norelro").relro);
    assert_false(linked(folder, bare, "-Wl,-z,lazy").bound);
    assert_false(linked(folder, bare, "-Wl,-z,execstack").plain_stack);
    hardened none = linked(folder, copies, "-O2 -fno-stack-protector -U_FORTIFY_SOURCE");
    assert_false(none.guarded || none.fortified);
    assert_true(linked(folder, copies, "-O2 -fstack-protector-strong -U_FORTIFY_SOURCE").guarded);
    assert_true(linked(folder, copies, "-O2 -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2").fortified);
    tiny_remove(folder);
    free(folder);
}

static void program_and_library(void **state) {
    (void)state;
    char *folder = tiny_folder();
    expect_hardened(PARE_PROGRAM, true);
    if (strstr(PARE_LIBRARY, ".a")) { /* the objects of the static one, linked as the shared one is */
        char *library = pare_path_join(folder, "libpare.so");
        char *link = pare_format("%s %s %s -shared -o '%s' -Wl,--whole-archive '%s' -Wl,--no-whole-archive",
                                 PARE_C_COMPILER, PARE_SANITIZE_FLAGS, PARE_HARDENED_LINK, library, PARE_LIBRARY);
        assert_int_equal(system(link), 0);
        expect_hardened(library, false);
        free(link);
        free(library);
    } else {
        expect_hardened(PARE_LIBRARY, false);
    }
    tiny_remove(folder);
    free(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_lacks_is_told),
        cmocka_unit_test(program_and_library),
    };
    return cmocka_run_group_tests_name("hardening", tests, NULL, NULL);
}
