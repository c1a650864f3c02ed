#define CX_CHUNK_CODES cx_chunk_codes_avx512
#include "pages_kernels.inc"
