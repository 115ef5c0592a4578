#include "kernels/reduce/body.inc"
