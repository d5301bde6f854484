// Transformer models as one call: gpt, bert, and generate.
export { type Bert, type BertEncoding, type BertInputs, type BertOptions, bert } from './bert.js'
export { type GenerateOptions, generate, type Prompt } from './generate.js'
export { type Gpt, type GptOptions, gpt } from './gpt.js'
