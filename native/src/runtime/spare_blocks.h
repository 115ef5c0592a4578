#pragma once

#include <cstddef>

#include "base/aligned.h"

namespace tiny {

// Blocks that buffers gave back, kept for later ones of about their size: the system hands out fresh pages at
// a fault for each 4 KiB, which is a tenth of a product of 128x3072x768. At most 64 MiB are kept, the newest,
// and they count as cached.

// A block of at least `bytes`, its content undefined. Throws std::bad_alloc.
AlignedBytes take_block(size_t bytes);
void give_block(AlignedBytes block) noexcept;
void trim_spare_blocks();

}  // namespace tiny
