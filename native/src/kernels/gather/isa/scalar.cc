#include "kernels/gather/gather.h"
#include "kernels/gather/reference.h"

namespace tiny {

extern const GatherKernels gather_scalar;
const GatherKernels gather_scalar = reference::table<float>();

}  // namespace tiny
