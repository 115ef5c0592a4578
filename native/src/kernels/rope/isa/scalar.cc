#include "kernels/rope/reference.h"

namespace tiny {

extern const RopeKernels rope_scalar;
const RopeKernels rope_scalar = rope_reference<float>();

}  // namespace tiny
