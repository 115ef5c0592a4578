#pragma once

#include "graph/node.h"

namespace tiny {

// x in another dtype: between float32, float64, bfloat16, float16 and int32, to nearest even; to int32
// towards zero, saturated, NaN as 0. x itself where it has that dtype. The gradient is cast back.
Value cast(const Value& x, DType dtype);

}  // namespace tiny
