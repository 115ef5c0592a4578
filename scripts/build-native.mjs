// Builds packages/core/build/Release/core.node: a C++ compiler is all that has to be there, CMake and Ninja come from npm.
import { buildAddon } from './addon.mjs'
import { main } from './tools.mjs'

await main(() => buildAddon())
