#include "kernels/optimizer/optimizer.h"
#include "kernels/optimizer/reference.h"

namespace tiny {

extern const OptimizerKernels optimizer_scalar;
const OptimizerKernels optimizer_scalar = reference::table<float>();

}  // namespace tiny
