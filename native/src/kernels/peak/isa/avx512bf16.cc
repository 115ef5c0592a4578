#include "kernels/peak/body.inc"
