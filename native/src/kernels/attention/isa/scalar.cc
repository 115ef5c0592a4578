#include "kernels/attention/reference.h"

namespace tiny {

extern const AttentionKernels attention_scalar;
const AttentionKernels attention_scalar = {
    "scalar",          no_scratch<float>,        reference_forward<float>, reference_weights<float>,
    no_scratch<float>, reference_backward<float>};

}  // namespace tiny
