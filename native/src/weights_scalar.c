#define CX_WEIGH_KERNELS cx_weigh_kernels_scalar
#include "weights_kernels.inc"
