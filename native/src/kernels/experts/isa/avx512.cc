#include "kernels/experts/body.inc"
