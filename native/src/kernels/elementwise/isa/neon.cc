#include "kernels/elementwise/body.inc"
