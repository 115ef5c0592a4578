#include "kernels/norm/reference.h"

namespace tiny {

extern const NormKernels norm_scalar;
const NormKernels norm_scalar = norm_reference<float>();

}  // namespace tiny
