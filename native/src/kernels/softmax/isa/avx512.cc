#include "kernels/softmax/body.inc"
