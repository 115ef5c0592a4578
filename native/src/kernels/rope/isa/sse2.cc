#include "kernels/rope/body.inc"
