#pragma once

#include "graph/node.h"

namespace tiny {

// x / (1 - p) with every element dropped with probability p, 0 <= p < 1. Which ones is a function of
// `key` (int32 [2]: seed and step), `site` and the element's number, so the gradient draws them again.
Value dropout(const Value& x, const Value& key, double p, uint32_t site);

// Initial weights, float32 or float64: functions of seed, site and the element's number, the same on
// every machine but for its libm.
Value random_normal(Shape shape, double mean, double std, uint64_t seed, uint32_t site,
                    DType dtype = DType::Float32);
// In [min, max), rounded.
Value random_uniform(Shape shape, double min, double max, uint64_t seed, uint32_t site,
                     DType dtype = DType::Float32);

}  // namespace tiny
