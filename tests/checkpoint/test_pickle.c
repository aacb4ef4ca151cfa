/* Pickles that would run something, or that lie: refused by what they ask for, and nothing is run or left over. */
#define ONE_FILE "pytorch_model.bin"
#include "one_file.h"

#include "checkpoint/pickle.h"
#include "checkpoint/torch_file.h"
#include "stored_zip.h"
#include "support/memory.h"

/* A file of torch.save with that pickle, and one storage "0" of 24 bytes: 0, 1, 2, ... */
static void write_pickle(const void *pickle, size_t bytes) {
    unsigned char data[24];
    for (unsigned i = 0; i < sizeof data; i++)
        data[i] = (unsigned char)i;
    const stored_entry entries[] = {
        {"archive/data.pkl", pickle, bytes}, {"archive/byteorder", "little", 6}, {"archive/data/0", data, sizeof data}};
    stored_zip zip = stored_zip_make(entries, 3);
    tiny_write_file(folder, ONE_FILE, zip.data, zip.bytes);
}

static void expect(pare_status expected, const char *word) {
    pare_safetensors file;
    uint64_t before = pare_memory_current();
    pare_status status = pare_torch_file_open(path, &file);
    expect_status(status, expected, word);
    assert_null(file.tensors);
    assert_null(file.mapping.path);
    assert_int_equal(pare_memory_current(), before);
}

typedef struct hazard {
    const char *pickle;
    size_t bytes;
    pare_status status;
    const char *word;
} hazard;

#define PICKLE(text) "\x80\x02" text, sizeof("\x80\x02" text) - 1
#define DAMAGED PARE_FORMAT_ERROR
#define REFUSED PARE_UNSUPPORTED

static void refuse_all(const hazard *hazards, size_t count) {
    for (size_t i = 0; i < count; i++) {
        write_pickle(hazards[i].pickle, hazards[i].bytes);
        expect(hazards[i].status, hazards[i].word);
    }
}

static void names_of_python_are_refused(void **state) {
    (void)state;
    static const hazard hazards[] = {
        {PICKLE("cposix\nsystem\nX\x04\0\0\0true\x85R."), REFUSED, "asks for posix.system"},
        {PICKLE("cos\nsystem\nX\x04\0\0\0true\x85R."), REFUSED, "asks for os.system"},
        {PICKLE("cbuiltins\neval\n."), REFUSED, "asks for builtins.eval"},
        {PICKLE("c__builtin__\ngetattr\n."), REFUSED, "asks for __builtin__.getattr"},
        {PICKLE("\x8c\x02os\x8c\x06system\x93."), REFUSED, "asks for os.system"},
        {PICKLE("ctorch._utils\n_rebuild_device_tensor_from_numpy\n."), REFUSED, "_rebuild_device_tensor"},
        {PICKLE("ctorch\nFloatStorage.from_file\n."), REFUSED, "asks for torch.FloatStorage.from_file"},
        {PICKLE("ctorch.\nLoad\n."), REFUSED, "asks for torch..Load"},
        {PICKLE("ccollections\nOrderedDict2\n."), REFUSED, "collections.OrderedDict2"},
        {PICKLE("c\x01\n\x02\n."), REFUSED, "asks for ?.?"},
        {PICKLE("cos"), DAMAGED, "a name without an end"},
        {PICKLE("(ios\nsystem\n."), REFUSED, "opcode INST"},
        {PICKLE("(cos\nsystem\no."), REFUSED, "asks for os.system"},
        {PICKLE("(No."), REFUSED, "opcode OBJ"},
        {PICKLE("\x82\x01."), REFUSED, "opcode EXT1"},
        {PICKLE("Pdata\n."), REFUSED, "opcode PERSID"},
        {PICKLE("I01\n."), REFUSED, "opcode INT"},
        {PICKLE("S'x'\n."), REFUSED, "opcode STRING"},
        {PICKLE("\x92."), REFUSED, "opcode NEWOBJ_EX"},
        {PICKLE("\x97."), REFUSED, "opcode NEXT_BUFFER"},
    };
    refuse_all(hazards, sizeof hazards / sizeof *hazards);
}

static void what_it_may_name_it_may_not_misuse(void **state) {
    (void)state;
    static const hazard hazards[] = {
        {PICKLE("ctorch\nFloatStorage\n)R."), DAMAGED, "calls what cannot be called"},
        {PICKLE("ctorch\nFloatStorage\n)\x81."), DAMAGED, "calls what cannot be called"},
        {PICKLE("N)R."), DAMAGED, "calls what cannot be called"},
        {PICKLE("X\x02\0\0\0os)R."), DAMAGED, "calls what cannot be called"},
        {PICKLE("ccollections\nOrderedDict\nNR."), DAMAGED, "calls what cannot be called"},
        {PICKLE("ccollections\nOrderedDict\nN\x85R."), DAMAGED, "a list of pairs"},
        {PICKLE("ccollections\nOrderedDict\n]Na\x85R."), DAMAGED, "a list of pairs"},
        {PICKLE("ctorch\nSize\n)R."), DAMAGED, "a tuple of other than one"},
        {PICKLE("ctorch\nFloatStorage\n}b."), DAMAGED, "an object that is of another kind"},
        {PICKLE("ctorch._utils\n_rebuild_tensor_v2\n)R}b."), DAMAGED, "an object that is of another kind"},
        {PICKLE("ccollections\nOrderedDict\n)RNb."), DAMAGED, "a state that is no dict"},
        {PICKLE("]}b."), DAMAGED, "an object that is of another kind"},
    };
    refuse_all(hazards, sizeof hazards / sizeof *hazards);
}

static void lengths_indices_and_stack_are_checked(void **state) {
    (void)state;
    static const hazard hazards[] = {
        {PICKLE("\x8b\xff\xff\xff\x7f"), DAMAGED, "a number longer than the file"},
        {PICKLE("\x8b\xff\xff\xff\xff"), DAMAGED, "a number longer than the file"},
        {PICKLE("\x8a\xff."), DAMAGED, "a number longer than the file"},
        {PICKLE("X\xff\xff\xff\x7f."), DAMAGED, "a text longer than the file"},
        {PICKLE("X\xff\xff\xff\xff."), DAMAGED, "a text longer than the file"},
        {PICKLE("\x8d\xff\xff\xff\xff\xff\xff\xff\xff."), DAMAGED, "a text longer than the file"},
        {PICKLE("\x8e\xff\xff\xff\xff\xff\xff\xff\x7f."), DAMAGED, "a text longer than the file"},
        {PICKLE("T\xff\xff\xff\x7f."), DAMAGED, "a text longer than the file"},
        {PICKLE("\x95\xff\xff\xff\xff\xff\xff\xff\xff."), DAMAGED, "a frame longer"},
        {PICKLE("X\x01\0"), DAMAGED, "breaks off"},
        {PICKLE("J\x01\0"), DAMAGED, "breaks off"},
        {PICKLE("G\x01\0"), DAMAGED, "breaks off"},
        {PICKLE("}"), DAMAGED, "breaks off"},
        {PICKLE("h\x05."), DAMAGED, "has not remembered"},
        {PICKLE("j\xff\xff\xff\xff."), DAMAGED, "has not remembered"},
        {PICKLE("Nr\xff\xff\xff\x7f."), DAMAGED, "a number out of range"},
        {PICKLE("Nr\xff\xff\xff\xff."), DAMAGED, "a number out of range"},
        {PICKLE("q\x01."), DAMAGED, "where none is left"},
        {PICKLE("\x94."), DAMAGED, "where none is left"},
        {PICKLE("."), DAMAGED, "other than one object"},
        {PICKLE("NN."), DAMAGED, "other than one object"},
        {PICKLE("N(."), DAMAGED, "other than one object"},
        {PICKLE("0."), DAMAGED, "where none is left"},
        {PICKLE("N(0."), DAMAGED, "where none is left"},
        {PICKLE("1."), DAMAGED, "a mark that was not set"},
        {PICKLE("t."), DAMAGED, "a mark that was not set"},
        {PICKLE("]e."), DAMAGED, "a mark that was not set"},
        {PICKLE("}u."), DAMAGED, "a mark that was not set"},
        {PICKLE("2."), DAMAGED, "where none is left"},
        {PICKLE("NN\x87."), DAMAGED, "where none is left"},
        {PICKLE("]a."), DAMAGED, "where none is left"},
        {PICKLE("}Ns."), DAMAGED, "where none is left"},
        {PICKLE("}(Nu."), DAMAGED, "a key without a value"},
        {PICKLE("(Nd."), DAMAGED, "a key without a value"},
        {PICKLE("](NNu."), DAMAGED, "of another kind"},
        {PICKLE("}Na."), DAMAGED, "of another kind"},
        {PICKLE("(Ne."), DAMAGED, "where none is left"},
        {PICKLE("R."), DAMAGED, "where none is left"},
        {PICKLE("NR."), DAMAGED, "where none is left"},
        {PICKLE("b."), DAMAGED, "where none is left"},
        {PICKLE("Q."), DAMAGED, "where none is left"},
        {PICKLE("\x93."), DAMAGED, "where none is left"},
        {PICKLE("NN\x93."), DAMAGED, "by other than texts"},
        {PICKLE("\xff."), DAMAGED, "no opcode"},
        {PICKLE("\x80\x09N."), REFUSED, "of protocol 9"},
        {PICKLE("N.N."), DAMAGED, "before its entry does"},
        {PICKLE("N."), REFUSED, "holds no dict of tensors"},
        {PICKLE("}."), REFUSED, "holds no dict of tensors"},
        {PICKLE("]q\0h\0a."), REFUSED, "holds no dict of tensors"},
    };
    refuse_all(hazards, sizeof hazards / sizeof *hazards);
    write_pickle("", 0);
    expect(DAMAGED, "breaks off");
}

/* {"w": _rebuild_tensor_v2(storage, offset, size, stride, False, OrderedDict())}, put together of its parts. */
#define STORAGE(type, key, elements) "(X\7\0\0\0storagectorch\n" type "\nX\1\0\0\0" key "X\3\0\0\0cpu" elements "tQ"
#define SOUND_STORAGE STORAGE("FloatStorage", "0", "K\6")
#define TENSOR(storage, offset, size, stride)                                                                          \
    "ctorch._utils\n_rebuild_tensor_v2\n(" storage offset size stride "\x89"                                           \
    "ccollections\nOrderedDict\n)RtR"
#define STATE(tensor) PICKLE("}X\1\0\0\0w" tensor "s.")
#define W(storage, offset, size, stride) STATE(TENSOR(storage, offset, size, stride))
#define HUGE "\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f"

static void a_sound_tensor_is_read(void **state) {
    (void)state;
    static const hazard sound[] = {
        {W(SOUND_STORAGE, "K\0", "K\2K\3\x86", "K\3K\1\x86"), PARE_OK, ""},
        {STATE(
             "ctorch._utils\n_rebuild_parameter\n(" TENSOR(SOUND_STORAGE, "K\0", "K\2K\3\x86", "K\3K\1\x86") "\x88NtR"),
         PARE_OK, ""},
        {W(SOUND_STORAGE, "K\0", "ctorch\nSize\nK\2K\3\x86\x85R", "K\3K\1\x86"), PARE_OK, ""},
        /* The stride of one row means nothing. */
        {W(SOUND_STORAGE, "K\1", "K\1K\3\x86", "M\xff\xffK\1\x86"), PARE_OK, ""},
    };
    for (size_t i = 0; i < sizeof sound / sizeof *sound; i++) {
        pare_safetensors file;
        write_pickle(sound[i].pickle, sound[i].bytes);
        if (pare_torch_file_open(path, &file) != PARE_OK) fail_msg("%zu: %s", i, pare_message());
        assert_int_equal(file.count, 1);
        assert_string_equal(file.tensors[0].name, "w");
        assert_int_equal(file.tensors[0].shape[1], 3);
        assert_int_equal(*(const unsigned char *)file.tensors[0].data, i == 3 ? 4 : 0);
        assert_null(file.image.data);
        pare_safetensors_close(&file);
    }
}

static void tensors_that_lie_are_refused(void **state) {
    (void)state;
    static const hazard hazards[] = {
        {W(SOUND_STORAGE, "K\0", "K\2K\4\x86", "K\3K\1\x86"), DAMAGED, "tensor w reaches beyond its storage"},
        {W(SOUND_STORAGE, "K\1", "K\2K\3\x86", "K\3K\1\x86"), DAMAGED, "reaches beyond its storage"},
        {W(SOUND_STORAGE, "K\7", "K\0\x85", "K\1\x85"), DAMAGED, "reaches beyond its storage"},
        {W(SOUND_STORAGE, HUGE, "K\2\x85", "K\1\x85"), DAMAGED, "reaches beyond its storage"},
        {W(SOUND_STORAGE, HUGE, "K\2\x85", HUGE "\x85"), DAMAGED, "reaches beyond its storage"},
        {W(SOUND_STORAGE, "K\0", "K\3\x85", HUGE "\x85"), DAMAGED, "reaches beyond its storage"},
        {W(SOUND_STORAGE, "K\0", "K\5\x85", HUGE "\x85"), DAMAGED, "strides too large"},
        {W(SOUND_STORAGE, "K\0", HUGE HUGE "\x86", "K\0K\0\x86"), DAMAGED, "a shape too large"},
        {W(SOUND_STORAGE, "K\0", HUGE "\x85", "K\0\x85"), REFUSED, "repeats elements"},
        {W(SOUND_STORAGE, "K\0", "K\7\x85", "K\0\x85"), REFUSED, "repeats elements"},
        {W(SOUND_STORAGE, "K\0", "J\xff\xff\xff\xff\x85", "K\1\x85"), DAMAGED, "not a natural number"},
        {W(SOUND_STORAGE, "K\0", "K\2\x85", "J\xff\xff\xff\xff\x85"), DAMAGED, "not a natural number"},
        {W(SOUND_STORAGE, "J\xff\xff\xff\xff", "K\2\x85", "K\1\x85"), DAMAGED, "is not rebuilt of"},
        {W(SOUND_STORAGE, "N", "K\2\x85", "K\1\x85"), DAMAGED, "is not rebuilt of"},
        {W(SOUND_STORAGE, "K\0", "K\2", "K\1\x85"), DAMAGED, "other than a size"},
        {W(SOUND_STORAGE, "K\0", "K\2\x85", "K\1K\1\x86"), DAMAGED, "other than a size"},
        {W(SOUND_STORAGE, "K\0", "(K\1K\1K\1K\1K\1t", "(K\1K\1K\1K\1K\1t"), REFUSED, "5 dimensions"},
        {W(STORAGE("FloatStorage", "0", "K\5"), "K\0", "K\2\x85", "K\1\x85"), DAMAGED, "storage of another size"},
        {W(STORAGE("FloatStorage", "0", HUGE), "K\0", "K\2\x85", "K\1\x85"), DAMAGED, "storage of another size"},
        {W(STORAGE("HalfStorage", "0", "K\6"), "K\0", "K\2\x85", "K\1\x85"), DAMAGED, "storage of another size"},
        {W(STORAGE("FloatStorage", "1", "K\6"), "K\0", "K\2\x85", "K\1\x85"), DAMAGED, "that the file has not"},
        {W(STORAGE("FloatStorage", "0", "J\xff\xff\xff\xff"), "K\0", "K\2\x85", "K\1\x85"), DAMAGED, "not rebuilt"},
        {W(STORAGE("IntStorage", "0", "K\6"), "K\0", "K\2\x85", "K\1\x85"), REFUSED, "dtype I32"},
        {W(STORAGE("CharStorage", "0", "K\x18"), "K\0", "K\2\x85", "K\1\x85"), REFUSED, "quantised"},
        {W("NQ", "K\0", "K\2\x85", "K\1\x85"), DAMAGED, "is not rebuilt of"},
        {W(")Q", "K\0", "K\2\x85", "K\1\x85"), DAMAGED, "is not rebuilt of"},
        {W("N", "K\0", "K\2\x85", "K\1\x85"), DAMAGED, "is not rebuilt of"},
        {STATE("ctorch._utils\n_rebuild_tensor_v2\n)R"), DAMAGED, "is not rebuilt of"},
        {STATE("ctorch._utils\n_rebuild_parameter\n)R"), REFUSED, "holds no dict of tensors"},
        {PICKLE("}(X\1\0\0\0w" TENSOR(SOUND_STORAGE, "K\0", "K\2\x85", "K\1\x85") "X\1\0\0\0x"
                                                                                  "K\5u."),
         REFUSED, "x in the state dict is no tensor"},
        {PICKLE("}K\5" TENSOR(SOUND_STORAGE, "K\0", "K\2\x85", "K\1\x85") "s."), DAMAGED, "name is empty, no text"},
        {PICKLE("}X\3\0\0\0a\0b" TENSOR(SOUND_STORAGE, "K\0", "K\2\x85", "K\1\x85") "s."), DAMAGED, "control char"},
        {PICKLE("}(X\1\0\0\0w" TENSOR(SOUND_STORAGE, "K\0", "K\2\x85",
                                      "K\1\x85") "X\1\0\0\0w" TENSOR(SOUND_STORAGE, "K\0", "K\2\x85", "K\1\x85") "u."),
         DAMAGED, "tensor w is there twice"},
    };
    refuse_all(hazards, sizeof hazards / sizeof *hazards);
}

/* Ten thousand transposed views of one storage would be copies. */
static void copies_are_bounded_by_the_file(void **state) {
    (void)state;
    static const char begin[] = "\x80\x02}(", tensor[] = TENSOR(SOUND_STORAGE, "K\0", "K\2K\3\x86", "K\1K\2\x86") "q\1";
    char pickle[4096];
    size_t bytes = sizeof begin - 1;
    memcpy(pickle, begin, bytes);
    for (int i = 0; i < 300; i++) {
        char name[] = {'X', 3, 0, 0, 0, (char)('a' + i / 100), (char)('0' + i / 10 % 10), (char)('0' + i % 10)};
        memcpy(pickle + bytes, name, sizeof name);
        bytes += sizeof name;
        memcpy(pickle + bytes, i ? "h\1" : tensor, i ? 2 : sizeof tensor - 1);
        bytes += i ? 2 : sizeof tensor - 1;
    }
    memcpy(pickle + bytes, "u.", 2);
    write_pickle(pickle, bytes + 2);
    expect(REFUSED, "take more room than the file");
}

/* Depth costs nothing: tuples in tuples, a million deep, and one list made into a dict over and over. */
static void nothing_is_deep(void **state) {
    (void)state;
    enum { DEPTH = 1000000 };
    char *pickle = malloc(DEPTH + 64);
    assert_non_null(pickle);
    memcpy(pickle, "\x80\x02)", 3);
    memset(pickle + 3, '\x85', DEPTH);
    pickle[DEPTH + 3] = '.';
    pare_mapping file = {.data = (const unsigned char *)pickle, .bytes = DEPTH + 4, .path = path};
    uint64_t at = 0;
    pare_pickle read;
    assert_int_equal(pare_pickle_read(&file, &at, file.bytes, NULL, 0, &read), PARE_OK);
    assert_int_equal(read.count, DEPTH + 1);
    assert_int_equal(at, file.bytes);
    pare_pickle_free(&read);
    free(pickle);

    static const char first[] = "\x80\x02"
                                "ccollections\nOrderedDict\nq\0](";
    char text[2048];
    size_t bytes = sizeof first - 1;
    memcpy(text, first, bytes);
    for (int i = 0; i < 100; i++, bytes += 3)
        memcpy(text + bytes, "NN\x86", 3);
    memcpy(text + bytes, "e\x85q\1", 4);
    bytes += 4;
    for (int i = 0; i < 50; i++, bytes += 5)
        memcpy(text + bytes, "h\0h\1R", 5);
    text[bytes++] = '.';
    write_pickle(text, bytes);
    expect(DAMAGED, "more of its objects than it has bytes");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_of_python_are_refused),
        cmocka_unit_test(what_it_may_name_it_may_not_misuse),
        cmocka_unit_test(lengths_indices_and_stack_are_checked),
        cmocka_unit_test(a_sound_tensor_is_read),
        cmocka_unit_test(tensors_that_lie_are_refused),
        cmocka_unit_test(copies_are_bounded_by_the_file),
        cmocka_unit_test(nothing_is_deep),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
