#include "kernels/optimizer/body.inc"
