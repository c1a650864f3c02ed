#define CX_CHUNK_CODES cx_chunk_codes_scalar
#include "pages_kernels.inc"
