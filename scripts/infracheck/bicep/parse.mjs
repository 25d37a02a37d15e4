// Parses Bicep with the grammar of tree-sitter. Reads {name: source} as JSON from standard input and writes {name: tree}.
// A tree is [kind, line, text, [children]]; text is there for leaves only. Anonymous tokens are kept: operators are some.
// The last argument is the folder whose node_modules to use.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'

const modules = createRequire(join(process.argv.at(-1), 'package.json'))
const { Parser, Language } = modules('web-tree-sitter')

await Parser.init()
const parser = new Parser()
parser.setLanguage(await Language.load(readFileSync(modules.resolve('tree-sitter-bicep/tree-sitter-bicep.wasm'))))

function tree(node) {
  const children = []
  for (let i = 0; i < node.childCount; i++) {
    const child = node.child(i)
    // The grammar counts white space between two placeholders of a text to the second one.
    const space = child.type === 'interpolation' ? child.text.slice(0, child.text.indexOf('${')) : ''
    if (space) children.push(['string_content', child.startPosition.row + 1, space, []])
    children.push(tree(child))
  }
  const kind = node.isMissing ? 'MISSING' : node.type
  return [kind, node.startPosition.row + 1, children.length ? '' : node.text, children]
}

const sources = JSON.parse(readFileSync(0, 'utf8'))
const trees = {}
for (const [name, source] of Object.entries(sources)) {
  const parsed = parser.parse(source)
  trees[name] = tree(parsed.rootNode)
  parsed.delete()
}
process.stdout.write(JSON.stringify(trees))
