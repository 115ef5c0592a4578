#include "kernels/gather/body.inc"
