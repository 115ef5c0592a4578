#include "kernels/random/random.h"
#include "kernels/random/reference.h"

namespace tiny {

extern const RandomKernels random_scalar;
const RandomKernels random_scalar = reference::table<float>();

}  // namespace tiny
