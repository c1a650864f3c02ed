#define CX_KERNELS cx_kernels_avx2
#include "encode_kernels.inc"
