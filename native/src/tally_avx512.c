#define CX_TALLY_KERNELS cx_tally_kernels_avx512
#include "tally_kernels.inc"
