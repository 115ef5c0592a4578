export type { HubOptions } from './options.js'
export type { Progress } from './progress.js'
