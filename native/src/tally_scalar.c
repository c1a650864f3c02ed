#define CX_TALLY_KERNELS cx_tally_kernels_scalar
#include "tally_kernels.inc"
