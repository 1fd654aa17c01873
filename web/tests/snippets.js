// Prints the page's snippets as JSON, for the test that runs them: `node tests/snippets.js HOST PORT`.
import { readFile } from 'node:fs/promises'

import ts from 'typescript'

const [host = '127.0.0.1', port = '1883'] = process.argv.slice(2)
const source = await readFile(new URL('../src/pages/overview/snippets.ts', import.meta.url), 'utf8')
const { outputText } = ts.transpileModule(source, { compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 } })
const { snippets } = await import(`data:text/javascript,${encodeURIComponent(outputText)}`)
process.stdout.write(JSON.stringify(snippets(host, Number(port))))
