#pragma once

#include "graph/plan.h"

namespace tiny {

// Joins elementwise steps (Primitive::tiled) whose results only other such steps of the same shape read into
// one step each, at the place of its last: inner results live in tiles of a few KiB and never reach memory.
// Numbers are the same, bit for bit. Steps are left apart where joining them would keep more in memory.
void fuse_elementwise(Plan& plan);

// For tests: plans compiled while it is off leave every step apart.
void set_fusion(bool on);

}  // namespace tiny
