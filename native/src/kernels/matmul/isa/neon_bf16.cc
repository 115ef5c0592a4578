#include "kernels/matmul/body.inc"
