#include "kernels/reduce/reduce.h"
#include "kernels/reduce/reference.h"

namespace tiny {

extern const ReduceKernels reduce_scalar;
const ReduceKernels reduce_scalar = reference::table<float>();

}  // namespace tiny
