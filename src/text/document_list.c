#include "support/memory.h"
#include "text/documents.h"

#include <string.h>

pare_status pare_documents_add(pare_documents *documents, size_t start, size_t length) {
    if (documents->count == documents->room) {
        size_t room = documents->room ? documents->room * 2 : 64;
        pare_document *list;
        PARE_TRY(pare_alloc_uninitialized(&list, room, sizeof *list, "the list of documents"));
        if (documents->count) memcpy(list, documents->list, documents->count * sizeof *list);
        pare_free(documents->list);
        documents->list = list;
        documents->room = room;
    }
    documents->list[documents->count++] = (pare_document){start, length};
    return PARE_OK;
}
