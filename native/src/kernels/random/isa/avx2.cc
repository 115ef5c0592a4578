#include "kernels/random/body.inc"
