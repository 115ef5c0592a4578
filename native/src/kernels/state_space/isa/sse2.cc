#include "kernels/state_space/body.inc"
