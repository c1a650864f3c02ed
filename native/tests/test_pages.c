/*
 * Column chunks written out by hand, at every SIMD level: their codes, and that no cut or flipped byte makes a call read
 * beyond.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cxstream_native.h"

#define CHECK(CONDITION)                                                    \
    do {                                                                    \
        if (!(CONDITION)) {                                                 \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #CONDITION); \
            exit(1);                                                        \
        }                                                                   \
    } while (0)

enum { ROWS = 10, NULL_CODE = 9, ENTRIES = 3 };

/* A dictionary of 5, 7, 8; ten rows, the third and the last of them null: 5 7 - 8 5 7 8 8 8 -. */
static const uint8_t SCALE[] = {
    0x15, 0x04, 0x15, 0x18, 0x15, 0x18, 0x4c, 0x15, 0x06, 0x15, 0x00, 0x00, 0x00, /* dictionary page, 12 bytes */
    5,    0,    0,    0,    7,    0,    0,    0,    8,    0,    0,    0, /* its entries */
    0x15, 0x00, 0x15, 0x14, 0x15, 0x14, 0x2c, 0x15, 0x14, 0x15, 0x10, 0x15, 0x06, 0x15,
    0x06, 0x00, 0x00,                         /* data page */
    3,    0,    0,    0,    0x05, 0xfb, 0x01, /* which are there: packed bits */
    2,    0x03, 0x84,                         /* indices of two bits, cut short below */
};

static int codes(const uint8_t *chunk, int64_t size, uint8_t out[ROWS], int64_t *count)
{
    static const int32_t CODE_OF[ENTRIES] = {0, 1, 2};
    uint16_t scratch[2 * (ROWS + CX_PAGE_SPARE)];
    int64_t place[4];
    const int status = cx_chunk_dictionary(chunk, size, place);
    if (status != CX_OK)
        return status;
    CHECK(place[0] >= 0 && place[0] + place[1] <= size && place[3] <= size);
    return cx_chunk_codes(chunk, size, place[3], ROWS, CODE_OF, ENTRIES, NULL_CODE, 1, out, ROWS,
                          NULL, (uint8_t *)scratch, count);
}

/* The same with its indices whole: 0 1 2 0 1 2 2 2. */
static size_t whole(uint8_t *chunk)
{
    static const uint8_t INDICES[] = {2, 0x03, 0x24, 0xa9};
    size_t size = sizeof SCALE - 3;
    memcpy(chunk, SCALE, size);
    memcpy(chunk + size, INDICES, sizeof INDICES);
    chunk[28] = chunk[30] = 2 * (7 + sizeof INDICES); /* the page's sizes, in zigzag */
    return size + sizeof INDICES;
}

static void by_hand(void)
{
    static const uint8_t EXPECTED[ROWS] = {0, 1, NULL_CODE, 2, 0, 1, 2, 2, 2, NULL_CODE};
    uint8_t chunk[sizeof SCALE + 8], out[ROWS];
    int64_t count = 0;
    const size_t size = whole(chunk);
    CHECK(codes(chunk, (int64_t)size, out, &count) == CX_OK);
    CHECK(count == ROWS && memcmp(out, EXPECTED, ROWS) == 0);
    CHECK(codes(SCALE, sizeof SCALE, out, &count) != CX_OK);
    for (size_t cut = 0; cut < size; cut++) {
        /* On the heap, where the sanitizer sees a byte too many. */
        uint8_t *part = malloc(cut ? cut : 1);
        CHECK(part != NULL);
        memcpy(part, chunk, cut);
        CHECK(codes(part, (int64_t)cut, out, &count) != CX_OK);
        free(part);
    }
    for (size_t bit = 0; bit < 8 * size; bit++) {
        uint8_t *flipped = malloc(size);
        CHECK(flipped != NULL);
        memcpy(flipped, chunk, size);
        flipped[bit / 8] = (uint8_t)(flipped[bit / 8] ^ 1u << (bit % 8));
        (void)codes(flipped, (int64_t)size, out, &count);
        free(flipped);
    }
}

static uint8_t *put_varint(uint8_t *at, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        *at++ = (uint8_t)(value | 0x80);
    *at++ = (uint8_t)value;
    return at;
}

/* `count` values (a multiple of 8) of so many bits, packed one bit after the other. */
static uint8_t *put_packed(uint8_t *at, const uint16_t *values, int64_t count, int width)
{
    at = put_varint(at, (uint64_t)(count / 8) << 1 | 1);
    memset(at, 0, (size_t)(count / 8 * width));
    for (int64_t bit = 0; bit < count * width; bit++) {
        if (values[bit / width] >> (bit % width) & 1)
            at[bit / 8] = (uint8_t)(at[bit / 8] | 1u << (bit % 8));
    }
    return at + count / 8 * width;
}

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

/* A page of so many rows, of which about one in `rare` is null (none where it is 0), with indices of so many bits. */
static void packed(int rows, int width, int64_t entries, uint32_t rare, int code_bytes)
{
    enum { MOST = 1 << 11 };
    static uint16_t there[MOST + 8], index[MOST + 8];
    static uint8_t made[8 * MOST];
    static int32_t code_of[1 << 16], expected[MOST];
    uint32_t state = (uint32_t)(rows * 31 + width);
    int64_t count = 0;
    const int32_t null_code = 7;
    for (int64_t entry = 0; entry < entries; entry++)
        code_of[entry] = (int32_t)((entry * 5 + 1) & (code_bytes == 1 ? 0xff : 0xffff));
    memset(there, 0, sizeof there);
    memset(index, 0, sizeof index);
    for (int row = 0; row < rows; row++) {
        there[row] = rare == 0 || next_random(&state) % rare != 0;
        expected[row] = null_code;
        if (there[row]) {
            index[count] = (uint16_t)(next_random(&state) % (uint32_t)entries);
            expected[row] = code_of[index[count++]];
        }
    }
    uint8_t *body = made + 64;
    uint8_t *end = put_packed(body + 4, there, (rows + 7) / 8 * 8, 1);
    const uint32_t levels = (uint32_t)(end - body - 4);
    for (int byte = 0; byte < 4; byte++)
        body[byte] = (uint8_t)(levels >> (8 * byte));
    *end++ = (uint8_t)width;
    end = put_packed(end, index, (count + 7) / 8 * 8, width);
    /* The header last, for it holds the sizes; then all of it on the heap, with nothing behind. */
    const uint64_t size = (uint64_t)(end - body);
    uint8_t head[64], *at = head;
    *at++ = 0x15, *at++ = 0x00;
    *at++ = 0x15, at = put_varint(at, 2 * size);
    *at++ = 0x15, at = put_varint(at, 2 * size);
    *at++ = 0x2c;
    *at++ = 0x15, at = put_varint(at, 2 * (uint64_t)rows);
    *at++ = 0x15, *at++ = 0x10, *at++ = 0x15, *at++ = 0x06, *at++ = 0x15, *at++ = 0x06;
    *at++ = 0x00, *at++ = 0x00;
    const size_t whole_size = (size_t)(at - head) + size;
    uint8_t *chunk = malloc(whole_size), *out = malloc((size_t)(rows * code_bytes));
    uint8_t *scratch = malloc(4 * ((size_t)rows + CX_PAGE_SPARE));
    CHECK(chunk != NULL && out != NULL && scratch != NULL);
    memcpy(chunk, head, (size_t)(at - head));
    memcpy(chunk + (at - head), body, size);
    int64_t found = 0;
    CHECK(cx_chunk_codes(chunk, (int64_t)whole_size, 0, rows, code_of, entries, null_code,
                         code_bytes, out, rows, NULL, scratch, &found) == CX_OK);
    CHECK(found == rows);
    for (int row = 0; row < rows; row++) {
        int32_t code = 0;
        memcpy(&code, out + row * code_bytes, (size_t)code_bytes);
        CHECK(code == expected[row]);
    }
    /* One entry fewer: an index lies outside. */
    if (count > 1000)
        CHECK(cx_chunk_codes(chunk, (int64_t)whole_size, 0, rows, code_of, entries / 2, null_code,
                             code_bytes, out, rows, NULL, scratch, &found) != CX_OK);
    free(chunk);
    free(out);
    free(scratch);
}

int main(void)
{
    static const int LENGTHS[] = {1, 7, 8, 31, 32, 33, 100, 2000};
    static const int BYTES[] = {1, 2, 4};
    for (int level = 0; level < CX_SIMD_COUNT; level++) {
        if (cx_simd_set(level) != CX_OK)
            continue;
        by_hand();
        for (size_t length = 0; length < sizeof LENGTHS / sizeof LENGTHS[0]; length++) {
            for (int width = 1; width <= 16; width++) {
                for (uint32_t rare = 0; rare <= 4; rare += 2) {
                    const int code_bytes = BYTES[(length + (size_t)width + rare) % 3];
                    packed(LENGTHS[length], width, (int64_t)1 << width, rare, code_bytes);
                    packed(LENGTHS[length], width, ((int64_t)1 << width) - 1, rare, 1);
                }
            }
        }
        printf("pages, %s: ok\n", cx_simd_name(level));
    }
    return 0;
}
