#include "kernels/experts/experts.h"
#include "kernels/experts/reference.h"

namespace tiny {

extern const ExpertKernels experts_scalar;
const ExpertKernels experts_scalar = reference::table<float>();

}  // namespace tiny
