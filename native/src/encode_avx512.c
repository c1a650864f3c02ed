#define CX_KERNELS cx_kernels_avx512
#include "encode_kernels.inc"
