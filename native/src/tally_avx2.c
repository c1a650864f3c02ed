#define CX_TALLY_KERNELS cx_tally_kernels_avx2
#include "tally_kernels.inc"
