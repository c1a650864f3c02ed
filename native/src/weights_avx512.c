#define CX_WEIGH_KERNELS cx_weigh_kernels_avx512
#include "weights_kernels.inc"
