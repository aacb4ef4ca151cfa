/* A page on a machine whose memory ends at any allocation: it comes whole, with its figures, or one sentence comes in
 * its place. */
#include "failing_memory.h"

#include "report/page.h"
#include "report/page_documents.h"

static json_t *documents[2];
static size_t whole;

static pare_status render(void *context) {
    (void)context;
    const pare_page_document list[] = {{"a", documents[0]}, {"b", documents[1]}};
    pare_page_figures figures;
    char *html;
    pare_status status = pare_page_render(list, 2, &html, &figures);
    if (status != PARE_OK) assert_null(html);
    if (status == PARE_OK && !whole) whole = strlen(html);
    if (status == PARE_OK) assert_int_equal(strlen(html), whole);
    for (size_t i = 0; status == PARE_OK && i < figures.count; i++)
        assert_true(figures.list[i].name && figures.list[i].svg);
    pare_page_figures_free(&figures);
    free(html);
    return status;
}

static void nothing_is_lost(void **state) {
    (void)state;
    enum { MOST = 100000 };
    documents[0] = page_pruning(2, 1);
    documents[1] = page_parse(page_sweep);
    memory_fail_everywhere(&(memory_run){.run = render}, MOST);
    json_decref(documents[0]);
    json_decref(documents[1]);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(nothing_is_lost)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
