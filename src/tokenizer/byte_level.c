/* Bytes that are printable in Latin-1 (0x21-0x7E, 0xA1-0xAC, 0xAE-0xFF) are spelled as themselves, the others as
 * U+0100, U+0101, ... in their order. */
#include "tokenizer/byte_level.h"
#include "tokenizer/unicode.h"

static bool is_printable(uint32_t byte) {
    return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte != 0xAD && byte <= 0xFF);
}

int pare_byte_level_byte(uint32_t code) {
    if (code < 256) return is_printable(code) ? (int)code : -1;
    uint32_t rank = code - 256;
    if (rank <= 0x20) return (int)rank;
    if (rank <= 0x20 + 34) return (int)(0x7F + rank - 0x21); /* 0x7F to 0xA0 */
    return rank == 0x20 + 35 ? 0xAD : -1;
}

static uint32_t spell(uint32_t byte) {
    if (is_printable(byte)) return byte;
    if (byte <= 0x20) return 256 + byte;
    return byte == 0xAD ? 256 + 0x20 + 35 : 256 + 0x21 + byte - 0x7F;
}

pare_status pare_byte_level_encode(const char *text, size_t bytes, pare_buffer *out) {
    PARE_TRY(pare_buffer_reserve(out, 2 * bytes));
    for (size_t i = 0; i < bytes; i++)
        out->bytes += pare_utf8_encode(spell((unsigned char)text[i]), out->data + out->bytes);
    return PARE_OK;
}

pare_status pare_byte_level_decode(const char *text, size_t bytes, pare_buffer *out, bool *spelled) {
    size_t before = out->bytes, length;
    *spelled = true;
    for (size_t at = 0; at < bytes; at += length) {
        uint32_t code;
        length = pare_utf8_decode(text + at, bytes - at, &code);
        int byte = length ? pare_byte_level_byte(code) : -1;
        if (byte < 0) {
            out->bytes = before;
            *spelled = false;
            return PARE_OK;
        }
        char value = (char)byte;
        PARE_TRY(pare_buffer_append(out, &value, 1));
    }
    return PARE_OK;
}
