#include "kernels/attention/body.inc"

TINY_ATTENTION_TABLE(neon)
