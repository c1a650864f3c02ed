/* Pages of a Parquet file to codes: dictionary indices behind levels, not compressed, as the history is written. */
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "cxstream_native.h"

/* Of Parquet's PageType and Encoding. */
enum { DATA_PAGE = 0, DICTIONARY_PAGE = 2 };
enum { PLAIN = 0, PLAIN_DICTIONARY = 2, RLE = 3, RLE_DICTIONARY = 8 };
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
enum { DEPTH_MAX = 8, INDEX_BITS_MAX = 16 };

struct reader {
    const uint8_t *at, *end;
    bool ok;
};

static uint8_t next_byte(struct reader *in)
{
    if (in->at >= in->end) {
        in->ok = false;
        return 0;
    }
    return *in->at++;
}

static uint64_t next_varint(struct reader *in)
{
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
        const uint8_t byte = next_byte(in);
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return value;
    }
    in->ok = false;
    return 0;
}

static int64_t next_integer(struct reader *in)
{
    const uint64_t value = next_varint(in);
    return (int64_t)(value >> 1) ^ -(int64_t)(value & 1);
}

static const uint8_t *next_bytes(struct reader *in, uint64_t count)
{
    const uint8_t *at = in->at;
    if (!in->ok || count > (uint64_t)(in->end - at)) {
        in->ok = false;
        return in->end;
    }
    in->at += count;
    return at;
}

/* The next field's number and type; STOP after the last. */
static int next_field(struct reader *in, int *number)
{
    const uint8_t head = next_byte(in);
    if (!in->ok || (head & 15) == STOP)
        return STOP;
    *number = head >> 4 ? *number + (head >> 4) : (int)next_integer(in);
    return head & 15;
}

static void skip(struct reader *in, int type, int depth)
{
    if (depth > DEPTH_MAX)
        in->ok = false;
    if (!in->ok || type == TRUE || type == FALSE)
        return;
    if (type == BYTE) {
        next_byte(in);
    } else if (type > BYTE && type <= I64) {
        next_varint(in);
    } else if (type == DOUBLE) {
        next_bytes(in, 8);
    } else if (type == BINARY) {
        next_bytes(in, next_varint(in));
    } else if (type == LIST || type == SET) {
        const uint8_t head = next_byte(in);
        const int item = (head & 15) == TRUE || (head & 15) == FALSE ? BYTE : head & 15;
        uint64_t count = head >> 4 == 15 ? next_varint(in) : head >> 4;
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

struct page {
    int64_t type, size, stored_size, values, encoding, definition, repetition;
    const uint8_t *bytes;
};

/* Read a page's header; its bytes come next. */
static bool next_page(struct reader *in, struct page *page)
{
    *page = (struct page){-1, -1, -1, -1, -1, RLE, RLE, NULL};
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
    page->bytes = next_bytes(in, (uint64_t)page->size);
    return in->ok;
}

int cx_chunk_dictionary(const uint8_t *chunk, int64_t size, int64_t place_out[4])
{
    struct reader in = {chunk, chunk + size, true};
    struct page page;
    if (!next_page(&in, &page) || page.type != DICTIONARY_PAGE ||
        (page.encoding != PLAIN && page.encoding != PLAIN_DICTIONARY))
        return CX_BAD_ARGUMENT;
    place_out[0] = page.bytes - chunk;
    place_out[1] = page.size;
    place_out[2] = page.values;
    place_out[3] = in.at - chunk;
    return CX_OK;
}

/* Eight values of so many bits, which start at a byte, of the 16 bytes there are to read. */
static inline void eight_8(const uint8_t *bytes, int width, uint8_t *out)
{
    const uint64_t mask = (1u << width) - 1;
    uint64_t packed;
    memcpy(&packed, bytes, 8);
    for (int j = 0; j < 8; j++)
        out[j] = (uint8_t)(packed >> (j * width) & mask);
}

static inline void eight_16(const uint8_t *bytes, int width, uint16_t *out)
{
    const uint64_t mask = (1u << width) - 1;
    uint64_t low, high;
    memcpy(&low, bytes, 8);
    memcpy(&high, bytes + (4 * width >> 3), 8);
    high >>= 4 * width & 7;
    for (int j = 0; j < 4; j++)
        out[j] = (uint16_t)(low >> (j * width) & mask);
    for (int j = 0; j < 4; j++)
        out[4 + j] = (uint16_t)(high >> (j * width) & mask);
}

/* Groups of eight, while there are bytes to spare behind them; returns how many it did. */
#define CX_GROUPS(EIGHT, TYPE)                                                       \
    static inline int64_t EIGHT##_all(const uint8_t *bytes, int64_t left, int width, \
                                      int64_t groups, TYPE *out)                     \
    {                                                                                \
        int64_t group = 0;                                                           \
        for (; group < groups && left - group * width >= 16; group++)                \
            EIGHT(bytes + group * width, width, out + 8 * group);                    \
        return group;                                                                \
    }
CX_GROUPS(eight_8, uint8_t)
CX_GROUPS(eight_16, uint16_t)

/* With the width known, shifts are constants. */
static int64_t groups_8(const uint8_t *bytes, int64_t left, int width, int64_t groups, uint8_t *out)
{
    switch (width) {
    case 1:
        return eight_8_all(bytes, left, 1, groups, out);
    case 2:
        return eight_8_all(bytes, left, 2, groups, out);
    case 3:
        return eight_8_all(bytes, left, 3, groups, out);
    case 4:
        return eight_8_all(bytes, left, 4, groups, out);
    default:
        return eight_8_all(bytes, left, width, groups, out);
    }
}

static int64_t groups_16(const uint8_t *bytes, int64_t left, int width, int64_t groups,
                         uint16_t *out)
{
    return eight_16_all(bytes, left, width, groups, out);
}

/* Parquet's hybrid of runs and packed bits: `count` values; room for 7 more is needed behind them. */
#define CX_UNPACK(NAME, TYPE, GROUPS, EIGHT)                                                  \
    static bool NAME(struct reader *in, int width, int64_t count, TYPE *out)                  \
    {                                                                                         \
        for (int64_t done = 0; done < count;) {                                               \
            const uint64_t head = next_varint(in);                                            \
            if (!in->ok || head >> 1 == 0)                                                    \
                return false;                                                                 \
            const int64_t left = count - done;                                                \
            if (head & 1) {                                                                   \
                const uint64_t groups = head >> 1;                                            \
                if (groups > (uint64_t)INT64_MAX / 32)                                        \
                    return false;                                                             \
                const int64_t wanted =                                                        \
                    left < (int64_t)groups * 8 ? (left + 7) / 8 : (int64_t)groups;            \
                const int64_t bytes = in->end - in->at;                                       \
                if (wanted * width > bytes)                                                   \
                    return false;                                                             \
                int64_t group = GROUPS(in->at, bytes, width, wanted, out + done);             \
                for (; group < wanted; group++) {                                             \
                    uint8_t padded[24] = {0};                                                 \
                    memcpy(padded, in->at + group * width, (size_t)width);                    \
                    EIGHT(padded, width, out + done + 8 * group);                             \
                }                                                                             \
                const int64_t packed = (int64_t)groups * width;                               \
                in->at += packed < bytes ? packed : bytes;                                    \
                done += 8 * wanted;                                                           \
            } else {                                                                          \
                uint32_t value = 0;                                                           \
                for (int byte = 0; byte < (width + 7) / 8; byte++)                            \
                    value |= (uint32_t)next_byte(in) << (8 * byte);                           \
                const int64_t run = head >> 1 < (uint64_t)left ? (int64_t)(head >> 1) : left; \
                if (!in->ok || value >> width)                                                \
                    return false;                                                             \
                for (int64_t i = 0; i < run; i++)                                             \
                    out[done + i] = (TYPE)value;                                              \
                done += run;                                                                  \
            }                                                                                 \
        }                                                                                     \
        return true;                                                                          \
    }
CX_UNPACK(unpack_8, uint8_t, groups_8, eight_8)
CX_UNPACK(unpack_16, uint16_t, groups_16, eight_16)

/* Levels of a page of the first version: their length, then the hybrid. */
static bool next_levels(struct reader *in, int width, int64_t count, uint8_t *out)
{
    const uint8_t *head = next_bytes(in, 4);
    if (!in->ok)
        return false;
    const uint32_t size = (uint32_t)head[0] | (uint32_t)head[1] << 8 | (uint32_t)head[2] << 16 |
                          (uint32_t)head[3] << 24;
    const uint8_t *bytes = next_bytes(in, size);
    struct reader levels = {bytes, bytes + size, in->ok};
    return in->ok && unpack_8(&levels, width, count, out);
}

/* A column's values of a page: which of them are there, and the indices of those. */
struct values {
    const uint8_t *definition;
    uint8_t whole;
    int64_t count;
    const uint8_t *narrow;
    const uint16_t *wide;
};

/* Eight values at a time, most often all there; a null's place says nothing about the next. */
#define CX_EMIT(NAME, INDEX, FIELD, TYPE)                                                        \
    static void NAME(const struct values *from, const int32_t *code_of, int32_t null_code,       \
                     TYPE *out)                                                                  \
    {                                                                                            \
        const INDEX *index = from->FIELD;                                                        \
        const uint64_t all = from->whole * UINT64_C(0x0101010101010101);                         \
        int64_t i = 0;                                                                           \
        for (; i + 8 <= from->count; i += 8) {                                                   \
            uint64_t there;                                                                      \
            memcpy(&there, from->definition + i, 8);                                             \
            if (there == all) {                                                                  \
                for (int j = 0; j < 8; j++)                                                      \
                    out[i + j] = (TYPE)code_of[index[j]];                                        \
                index += 8;                                                                      \
            } else {                                                                             \
                for (int j = 0; j < 8; j++) {                                                    \
                    const bool one = from->definition[i + j] == from->whole;                     \
                    out[i + j] = (TYPE)(one ? code_of[*index] : null_code);                      \
                    index += one;                                                                \
                }                                                                                \
            }                                                                                    \
        }                                                                                        \
        for (; i < from->count; i++)                                                             \
            out[i] = (TYPE)(from->definition[i] == from->whole ? code_of[*index++] : null_code); \
    }
CX_EMIT(emit_8_8, uint8_t, narrow, uint8_t)
CX_EMIT(emit_8_16, uint8_t, narrow, uint16_t)
CX_EMIT(emit_8_32, uint8_t, narrow, int32_t)
CX_EMIT(emit_16_8, uint16_t, wide, uint8_t)
CX_EMIT(emit_16_16, uint16_t, wide, uint16_t)
CX_EMIT(emit_16_32, uint16_t, wide, int32_t)

static void emit(const struct values *from, const int32_t *code_of, int32_t null_code,
                 int code_bytes, void *out)
{
    const bool narrow = from->narrow != NULL;
    if (code_bytes == 1)
        (narrow ? emit_8_8 : emit_16_8)(from, code_of, null_code, out);
    else if (code_bytes == 2)
        (narrow ? emit_8_16 : emit_16_16)(from, code_of, null_code, out);
    else
        (narrow ? emit_8_32 : emit_16_32)(from, code_of, null_code, out);
}

int cx_chunk_codes(const uint8_t *chunk, int64_t size, int64_t pages_at, int64_t values,
                   const int32_t *code_of, int64_t entries, int32_t null_code, int code_bytes,
                   void *codes_out, int64_t rows, int64_t *offsets_out, uint8_t *scratch,
                   int64_t *count_out)
{
    if (pages_at < 0 || pages_at > size || (code_bytes != 1 && code_bytes != 2 && code_bytes != 4))
        return CX_BAD_ARGUMENT;
    const bool is_list = offsets_out != NULL;
    /* A list's elements stand at level 3: below are an element, a list without any, and a list that are null. */
    const uint8_t whole = is_list ? 3 : 1;
    uint8_t *const definition = scratch, *const repetition = definition + values + 8;
    uint8_t *const narrow = repetition + values + 8;
    uint16_t *const wide = (uint16_t *)(void *)narrow;
    struct reader in = {chunk + pages_at, chunk + size, true};
    uint8_t *out = codes_out;
    int64_t done = 0, row = 0, elements = 0;
    while (done < values) {
        struct page page;
        if (!next_page(&in, &page) || page.type != DATA_PAGE || page.definition != RLE ||
            page.values > values - done ||
            (page.encoding != RLE_DICTIONARY && page.encoding != PLAIN_DICTIONARY))
            return CX_BAD_ARGUMENT;
        struct reader body = {page.bytes, page.bytes + page.size, true};
        if (is_list && (page.repetition != RLE || !next_levels(&body, 1, page.values, repetition)))
            return CX_BAD_ARGUMENT;
        if (!next_levels(&body, is_list ? 2 : 1, page.values, definition))
            return CX_BAD_ARGUMENT;
        int64_t there = 0;
        for (int64_t i = 0; i < page.values; i++)
            there += definition[i] == whole;
        struct values from = {definition, whole, page.values, narrow, wide};
        if (there > 0) {
            const int width = next_byte(&body);
            from.narrow = width <= 8 ? narrow : NULL;
            if (!body.ok || width > INDEX_BITS_MAX ||
                !(width <= 8 ? unpack_8(&body, width, there, narrow)
                             : unpack_16(&body, width, there, wide)))
                return CX_BAD_ARGUMENT;
            uint8_t top = 0;
            for (int64_t i = 0; i < there && width <= 8; i++)
                top = narrow[i] > top ? narrow[i] : top;
            uint16_t largest = top;
            for (int64_t i = 0; i < there && width > 8; i++)
                largest = wide[i] > largest ? wide[i] : largest;
            if (largest >= entries)
                return CX_BAD_INDEX;
        }
        if (is_list) {
            /* Rows begin where nothing repeats; what has no element gives none. */
            int64_t count = 0;
            for (int64_t i = 0; i < page.values; i++) {
                if (repetition[i] == 0) {
                    if (row >= rows)
                        return CX_BAD_ARGUMENT;
                    offsets_out[row++] = elements + count;
                }
                definition[count] = definition[i];
                count += definition[i] >= 2;
            }
            from.count = count;
        }
        emit(&from, code_of, null_code, code_bytes, out + elements * code_bytes);
        elements += from.count;
        done += page.values;
    }
    if (is_list ? row != rows : done != rows)
        return CX_BAD_ARGUMENT;
    if (is_list)
        offsets_out[rows] = elements;
    *count_out = elements;
    return CX_OK;
}
