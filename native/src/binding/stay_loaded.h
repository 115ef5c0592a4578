#pragma once

namespace tiny::binding {

// Keeps the addon mapped for the life of the process. Node unloads it with the last environment that
// uses it, which may be a worker's; the engine's threads run its code beyond that.
void stay_loaded();

}  // namespace tiny::binding
