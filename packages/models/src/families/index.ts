// Written by npm run generate.
export * from './bert.js'
export * from './gpt2.js'
export * from './t5.js'
