#pragma once

#include <span>
#include <string>

#include "base/error.h"
#include "graph/node.h"

namespace tiny {

// Throws OptionError unless there are `required` inputs, all present, and at most `optional` more.
inline void require_inputs(std::span<const Value> inputs, size_t required, size_t optional = 0) {
  if (inputs.size() < required || inputs.size() > required + optional) {
    throw Error(ErrorCode::Option, "",
                "takes " + std::to_string(required) +
                    (optional ? " to " + std::to_string(required + optional) : std::string()) +
                    " inputs, not " + std::to_string(inputs.size()));
  }
  for (size_t i = 0; i < required; ++i) {
    if (!inputs[i]) throw Error(ErrorCode::Option, "", "input " + std::to_string(i) + " is missing");
  }
}

}  // namespace tiny
