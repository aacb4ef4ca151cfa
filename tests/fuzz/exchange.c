/* What others tell: earlier runs, in reports that pages are made of; and the ranks of a job, before it starts. */
#include "fuzz/target.h"
#include "pare/report.h"
#include "report/markup.h"
#include "report/page_documents.h"
#include "support/peer.h"
#include "tiny_model.h"

/* A page is markup whose elements close, without scripts, whatever the reports say; beside itself it is one, too. */
static pare_status read_report(const char *folder, const char *path) {
    (void)folder;
    const pare_report_document both[] = {{.name = path}, {.name = path}};
    for (size_t count = 1; count <= 2; count++) {
        char *html = NULL;
        PARE_TRY(pare_report_page(both, count, &html));
        fuzz_check(markup_check(html) > 0, "a page is markup");
        fuzz_check(!strstr(html, "<script"), "a page has no script");
        pare_text_free(html);
    }
    return PARE_OK;
}

static void seed_report(const char *folder) {
    for (int kind = 0; kind < PAGE_KINDS; kind++) {
        json_t *json = page_document(kind);
        char *text = json_dumps(json, JSON_COMPACT), *name = pare_format("report-%d", kind);
        tiny_write_text(folder, name, text);
        json_decref(json);
        free(text);
        free(name);
    }
}

/* What the other ranks say; its end is that of the last that answers. */
static pare_mapping wire;
static size_t heard;

static bool send(const void *data, size_t bytes, int to, bool (*stop)(void)) {
    (void)data, (void)bytes, (void)to, (void)stop;
    return true;
}

static bool receive(void *data, size_t bytes, int from, bool (*stop)(void)) {
    (void)from, (void)stop;
    if (bytes > wire.bytes - heard) return false;
    if (bytes) memcpy(data, wire.data + heard, bytes);
    heard += bytes;
    return true;
}

static void hang_up(void) {}

static const pare_peer_engine engine = {
    .version = PARE_PEER_ENGINE_VERSION, .send = send, .receive = receive, .close = hang_up};

/* As the first of three ranks, which hears the others' texts, and as the second, which hears the verdict. */
static pare_status read_ranks(const char *folder, const char *path) {
    enum { RANKS = 3 };
    static char hosts[RANKS][PARE_PEER_HOST];
    (void)folder;
    pare_status status = PARE_OK;
    PARE_TRY(pare_mapping_open(path, &wire));
    for (int rank = 0; rank < 2 && status == PARE_OK; rank++) {
        heard = 0;
        pare_peer_set(&engine, rank, RANKS);
        pare_peer_set_hosts((const char(*)[PARE_PEER_HOST])hosts);
        status = pare_peer_agree("version of pare", "");
        pare_peer_close();
    }
    pare_mapping_close(&wire);
    return status;
}

/* Of two ranks that say the same; to the second rank the same bytes are a verdict about nobody. */
static void seed_ranks(const char *folder) {
    char all[2 * 512 + 4] = {0};
    tiny_write_file(folder, "nobody", all, sizeof all);
}

const fuzz_target *const fuzz_exchange_targets[] = {
    &(const fuzz_target){.name = "report", .file = "report.json", .seed = seed_report, .read = read_report},
    &(const fuzz_target){.name = "ranks", .file = "ranks.bytes", .seed = seed_ranks, .read = read_ranks}, NULL};
