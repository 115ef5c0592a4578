#pragma once

#include <memory>

#include "graph/node.h"
#include "graph/variable.h"

namespace tiny {

// The variable that a value is a version of: a read, or the output of an update. Throws OptionError
// for any other value.
std::shared_ptr<Variable> variable_of(const char* op, const Value& value);

// The variable's next version: `value`, of its dtype and shape.
Value assign(const Value& variable, const Value& value);

struct AdamWOptions {
  double beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0.01;
};

// AdamW (Loshchilov and Hutter 2019) as PyTorch computes it: the next versions of p and its moments m
// and v, in one pass. p, m, v and grad are of one shape, all float32 or (for checks) all float64; lr,
// clip (the gradient's factor, absent for 1) and step (from 1) are float32 scalars.
std::vector<Value> adamw(const Value& p, const Value& m, const Value& v, const Value& grad, const Value& lr,
                         const Value& clip, const Value& step, const AdamWOptions& options);

}  // namespace tiny
