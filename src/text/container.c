#include "text/container.h"

#include <string.h>
#include <strings.h>

typedef struct container {
    const char *name; /* its ending, where the name decides; else NULL */
    size_t at;        /* where the bytes stand */
    const char *magic;
    size_t bytes;
    const char *what, *advice; /* %s in the advice: the path */
} container;

#define TABLE(reader)                                                                                                  \
    "convert it in two lines of Python: import pandas; pandas." reader                                                 \
    "('%s').to_json('rows.jsonl', orient='records', lines=True)"
#define PICTURE "give a text in place of %s, or a model that reads pictures"
#define NAMED(ending) ending, 0, "", 0
#define MAGIC(text) NULL, 0, text, sizeof(text) - 1

static const container containers[] = {
    {NAMED(".csv"), "a table", TABLE("read_csv") ", or name it .txt if it is to be read as plain text"},
    {NAMED(".tsv"), "a table", TABLE("read_table") ", or name it .txt if it is to be read as plain text"},
    {MAGIC("PAR1"), "a Parquet table", TABLE("read_parquet")},
    {MAGIC("ARROW1\0"), "an Arrow table", TABLE("read_feather")},
    {MAGIC("FEA1"), "a Feather table", TABLE("read_feather")},
    {MAGIC("\xFF\xFF\xFF\xFF"), "an Arrow stream",
     "convert it in two lines of Python: import datasets; datasets.Dataset.from_file('%s').to_json('rows.jsonl')"},
    {MAGIC("\x28\xB5\x2F\xFD"), "packed with zstd", "unpack it: zstd -d %s"},
    {MAGIC("\xFD"
           "7zXZ\0"),
     "packed with xz", "unpack it: xz -dk %s"},
    {NULL, 4, "1AY&SY", 6, "packed with bzip2", "unpack it: bzip2 -dk %s"},
    {MAGIC("\x04\x22\x4D\x18"), "packed with lz4", "unpack it: lz4 -d %s"},
    {MAGIC("\x1F\x9D"), "packed with compress", "unpack it: uncompress -k %s"},
    {MAGIC("7z\xBC\xAF\x27\x1C"), "a 7-Zip archive", "unpack it: 7z x %s"},
    {MAGIC("Rar!\x1A\x07"), "a RAR archive", "unpack it: unrar x %s"},
    {NAMED(".docx"), "a Word document", "save it as plain text: pandoc -t plain %s -o text.txt"},
    {NAMED(".odt"), "a text document", "save it as plain text: pandoc -t plain %s -o text.txt"},
    {NAMED(".epub"), "an EPUB book", "save it as plain text: pandoc -t plain %s -o text.txt"},
    {MAGIC("PK\x03\x04"), "a ZIP archive", "unpack it: unzip %s"},
    {MAGIC("PK\x05\x06"), "an empty ZIP archive", "fetch %s again"},
    {NULL, 257, "ustar", 5, "a tar archive", "unpack it: tar xf %s"},
    {MAGIC("SQLite format 3"), "an SQLite database",
     "write its texts out: sqlite3 %s 'SELECT json_object(\"text\", COLUMN) FROM TABLE' > rows.jsonl"},
    {MAGIC("%PDF-"), "a PDF document", "take the text out: pdftotext %s text.txt"},
    {MAGIC("\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1"), "an old Office document", "save %s as plain text"},
    {MAGIC("{\\rtf"), "a rich text document", "save %s as plain text"},
    {NAMED(".html"), "a web page", "take the text out: pandoc -t plain %s -o text.txt"},
    {NAMED(".htm"), "a web page", "take the text out: pandoc -t plain %s -o text.txt"},
    {MAGIC("GGUF"), "a GGUF model", "give a text in place of %s"},
    {MAGIC("\x89HDF\r\n"), "an HDF5 file", "write the texts of %s to a .jsonl file"},
    {MAGIC("\x93NUMPY"), "a NumPy array",
     "write its ids out in two lines of Python: import json, numpy; json.dump(numpy.load('%s').tolist(), "
     "open('ids.json', 'w'))"},
    {MAGIC("\x89PNG\r\n\x1A\n"), "a PNG picture", PICTURE},
    {MAGIC("\xFF\xD8\xFF"), "a JPEG picture", PICTURE},
    {MAGIC("GIF8"), "a GIF picture", PICTURE},
    {NULL, 8, "WEBP", 4, "a WebP picture", PICTURE},
    {MAGIC("\0\0\x08\x03"), "an idx file of pictures", PICTURE},
    {MAGIC("version https://git-lfs.github.com/spec/"), "the Git LFS pointer of a file that was not fetched",
     "fetch it: git lfs pull --include %s"},
};

static bool ends_with(const char *path, size_t length, const char *ending) {
    size_t wanted = strlen(ending);
    return length >= wanted && strncasecmp(path + length - wanted, ending, wanted) == 0;
}

bool pare_name_ends_with(const char *path, const char *ending) {
    size_t length = strlen(path);
    if (ends_with(path, length, ".gz")) length -= 3;
    return ends_with(path, length, ending);
}

static bool is(const container *c, const char *path, const char *data, size_t bytes) {
    if (c->name) return pare_name_ends_with(path, c->name);
    return bytes >= c->at + c->bytes && memcmp(data + c->at, c->magic, c->bytes) == 0;
}

pare_status pare_container_refuse(const char *path, const char *data, size_t bytes) {
    for (size_t i = 0; i < sizeof containers / sizeof *containers; i++) {
        const container *c = containers + i;
        if (!is(c, path, data, bytes)) continue;
        const char *mark = strstr(c->advice, "%s");
        return pare_fail(PARE_UNSUPPORTED, "%s is %s, which pare does not read as text: %.*s%s%s", path, c->what,
                         (int)(mark - c->advice), c->advice, path, mark + 2);
    }
    return PARE_OK;
}
