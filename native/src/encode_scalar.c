#define CX_KERNELS cx_kernels_scalar
#include "encode_kernels.inc"
