#define CX_WEIGH_KERNELS cx_weigh_kernels_avx2
#include "weights_kernels.inc"
