#include "kernels/state_space/reference.h"
#include "kernels/state_space/state_space.h"

namespace tiny {

extern const StateSpaceKernels state_space_scalar;
const StateSpaceKernels state_space_scalar = reference::table<float>();

}  // namespace tiny
