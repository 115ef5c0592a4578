#include "kernels/elementwise/reference.h"

namespace tiny {

extern const ElementwiseKernels elementwise_scalar;
const ElementwiseKernels elementwise_scalar = {{
#define FORMULA(code, inputs, ...) elementwise_reference<Elementwise::code, float>,
#include "kernels/elementwise/formulas.inc"
#undef FORMULA
                                               },
                                               nullptr,
                                               nullptr,
                                               nullptr,
                                               nullptr};

}  // namespace tiny
