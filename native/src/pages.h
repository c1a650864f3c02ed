/* What the readers of Parquet pages share: bytes that end, a page, a column chunk, and the builds per SIMD level. */
#ifndef CXSTREAM_PAGES_H
#define CXSTREAM_PAGES_H

#include <stdbool.h>
#include <stdint.h>

#include "cxstream_native.h"

/* Of Parquet's PageType and Encoding. */
enum { CX_DATA_PAGE = 0, CX_DICTIONARY_PAGE = 2 };
enum { CX_PLAIN = 0, CX_PLAIN_DICTIONARY = 2, CX_RLE = 3, CX_RLE_DICTIONARY = 8 };

/* Bytes that are read one after the other; `ok` no more once there are too few. */
struct cx_reader {
    const uint8_t *at, *end;
    bool ok;
};

static inline uint8_t cx_next_byte(struct cx_reader *in)
{
    if (in->at >= in->end) {
        in->ok = false;
        return 0;
    }
    return *in->at++;
}

static inline uint64_t cx_next_varint(struct cx_reader *in)
{
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
        const uint8_t byte = cx_next_byte(in);
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return value;
    }
    in->ok = false;
    return 0;
}

static inline const uint8_t *cx_next_bytes(struct cx_reader *in, uint64_t count)
{
    const uint8_t *at = in->at;
    if (!in->ok || count > (uint64_t)(in->end - at)) {
        in->ok = false;
        return in->end;
    }
    in->at += count;
    return at;
}

struct cx_page {
    int64_t type, size, stored_size, values, encoding, definition, repetition;
    const uint8_t *bytes;
};

/* Read a page's header and find its bytes; they come next. */
bool cx_next_page(struct cx_reader *in, struct cx_page *page);

/* What cx_chunk_codes was told. */
struct cx_chunk {
    struct cx_reader pages;
    int64_t values, rows;
    const int32_t *code_of;
    int64_t entries;
    int32_t null_code;
    int code_bytes;
    void *codes;
    int64_t *offsets;
    uint8_t *scratch;
    int64_t *count;
};

/* One SIMD level each. */
int cx_chunk_codes_scalar(struct cx_chunk *chunk);
#ifdef CX_BUILD_X86
int cx_chunk_codes_avx2(struct cx_chunk *chunk);
int cx_chunk_codes_avx512(struct cx_chunk *chunk);
#endif

/* The build of the level in use. */
typedef int cx_chunk_codes_build(struct cx_chunk *chunk);
cx_chunk_codes_build *cx_chunk_codes_in_use(void);

#endif
