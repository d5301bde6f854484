// Writes the table of operators that importOnnx computes into docs/onnx-import.md.
// Usage: npm run --silent build:ts && node scripts/onnx-operators.mjs
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { operatorTable, withTable } from '../dist/lib/onnx/import/operator_docs.js'

const file = path.join(import.meta.dirname, '../docs/onnx-import.md')
writeFileSync(file, withTable(readFileSync(file, 'utf8'), operatorTable()))
