#include "kernels/softmax/reference.h"

namespace tiny {

extern const SoftmaxKernels softmax_scalar;
const SoftmaxKernels softmax_scalar = softmax_reference<float>();

}  // namespace tiny
