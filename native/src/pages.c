/* Pages of a Parquet file to codes: dictionary indices behind levels, not compressed, as the history is written. */
#include <stdbool.h>
#include <stddef.h>

#include "pages.h"

/* Of Thrift's compact protocol. */
enum {
    STOP = 0,
    TRUE = 1,
    FALSE = 2,
    BYTE = 3,
    I64 = 6,
    DOUBLE = 7,
    BINARY = 8,
    LIST = 9,
    SET = 10,
    STRUCT = 12
};
enum { DEPTH_MAX = 8 };

static int64_t next_integer(struct cx_reader *in)
{
    const uint64_t value = cx_next_varint(in);
    return (int64_t)(value >> 1) ^ -(int64_t)(value & 1);
}

/* The next field's number and type; STOP after the last. */
static int next_field(struct cx_reader *in, int *number)
{
    const uint8_t head = cx_next_byte(in);
    if (!in->ok || (head & 15) == STOP)
        return STOP;
    *number = head >> 4 ? *number + (head >> 4) : (int)next_integer(in);
    return head & 15;
}

static void skip(struct cx_reader *in, int type, int depth)
{
    if (depth > DEPTH_MAX)
        in->ok = false;
    if (!in->ok || type == TRUE || type == FALSE)
        return;
    if (type == BYTE) {
        cx_next_byte(in);
    } else if (type > BYTE && type <= I64) {
        cx_next_varint(in);
    } else if (type == DOUBLE) {
        cx_next_bytes(in, 8);
    } else if (type == BINARY) {
        cx_next_bytes(in, cx_next_varint(in));
    } else if (type == LIST || type == SET) {
        const uint8_t head = cx_next_byte(in);
        const int item = (head & 15) == TRUE || (head & 15) == FALSE ? BYTE : head & 15;
        uint64_t count = head >> 4 == 15 ? cx_next_varint(in) : head >> 4;
        for (; count > 0 && in->ok; count--)
            skip(in, item, depth + 1);
    } else if (type == STRUCT) {
        int number = 0;
        for (int field; (field = next_field(in, &number)) != STOP;)
            skip(in, field, depth + 1);
    } else {
        in->ok = false;
    }
}

bool cx_next_page(struct cx_reader *in, struct cx_page *page)
{
    *page = (struct cx_page){-1, -1, -1, -1, -1, CX_RLE, CX_RLE, NULL};
    int number = 0;
    for (int type; (type = next_field(in, &number)) != STOP;) {
        if (number == 1 && type > BYTE && type <= I64) {
            page->type = next_integer(in);
        } else if (number == 2 && type > BYTE && type <= I64) {
            page->size = next_integer(in);
        } else if (number == 3 && type > BYTE && type <= I64) {
            page->stored_size = next_integer(in);
        } else if ((number == 5 || number == 7) && type == STRUCT) {
            int64_t *const wanted[] = {&page->values, &page->encoding, &page->definition,
                                       &page->repetition};
            const int count = number == 5 ? 4 : 2;
            int inner = 0;
            for (int field; (field = next_field(in, &inner)) != STOP;) {
                if (inner >= 1 && inner <= count && field > BYTE && field <= I64)
                    *wanted[inner - 1] = next_integer(in);
                else
                    skip(in, field, 0);
            }
        } else {
            skip(in, type, 0);
        }
    }
    if (!in->ok || page->size < 0 || page->size != page->stored_size || page->values < 0)
        return false;
    page->bytes = cx_next_bytes(in, (uint64_t)page->size);
    return in->ok;
}

int cx_chunk_dictionary(const uint8_t *chunk, int64_t size, int64_t place_out[4])
{
    struct cx_reader in = {chunk, chunk + size, true};
    struct cx_page page;
    if (!cx_next_page(&in, &page) || page.type != CX_DICTIONARY_PAGE ||
        (page.encoding != CX_PLAIN && page.encoding != CX_PLAIN_DICTIONARY))
        return CX_BAD_ARGUMENT;
    place_out[0] = page.bytes - chunk;
    place_out[1] = page.size;
    place_out[2] = page.values;
    place_out[3] = in.at - chunk;
    return CX_OK;
}

int cx_chunk_codes(const uint8_t *chunk, int64_t size, int64_t pages_at, int64_t values,
                   const int32_t *code_of, int64_t entries, int32_t null_code, int code_bytes,
                   void *codes_out, int64_t rows, int64_t *offsets_out, uint8_t *scratch,
                   int64_t *count_out)
{
    if (pages_at < 0 || pages_at > size || (code_bytes != 1 && code_bytes != 2 && code_bytes != 4))
        return CX_BAD_ARGUMENT;
    struct cx_chunk whole = {
        {chunk + pages_at, chunk + size, true},
        values,
        rows,
        code_of,
        entries,
        null_code,
        code_bytes,
        codes_out,
        offsets_out,
        scratch,
        count_out,
    };
    return cx_chunk_codes_in_use()(&whole);
}
