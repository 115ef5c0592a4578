#include "kernels/norm/body.inc"
