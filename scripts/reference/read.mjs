// The public names of every entry, read from the sources by the TypeScript compiler: what each is, its signature, its
// docstring, its options and its members.
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { SyntaxKind } from 'typescript/unstable/ast'
import { API, NodeBuilderFlags, SignatureKind, SymbolFlags } from 'typescript/unstable/sync'
import { docOf } from './docstring.mjs'

export const root = path.join(import.meta.dirname, '..', '..')

/**
 * @typedef {object} Doc
 * @property {string} text
 * @property {string} [example]
 * @property {boolean} internal
 * @property {Record<string, string>} params
 * @property {string} [returns]
 *
 * @typedef {{ name: string, optional: boolean, type: string, doc: string }} Row an option
 *
 * @typedef {object} Member of a class or interface
 * @property {string} name
 * @property {string} text
 * @property {Doc} doc
 * @property {string} file
 * @property {boolean} isStatic
 * @property {boolean} isProtected for subclasses alone
 * @property {boolean} [inherited]
 *
 * @typedef {object} Name
 * @property {string} entry 'weftjs', 'weftjs/learn', ...
 * @property {string} space the namespace: 'layers', or ''
 * @property {string} name
 * @property {'function' | 'class' | 'value' | 'type' | 'namespace'} kind
 * @property {string} file where it is declared
 * @property {Doc} doc
 * @property {string[]} signatures
 * @property {{ names: string[], rows: Row[] }} options
 * @property {Member[]} members
 * @property {string} [makes] the class of what a function gives
 * @property {string} [text] of a class or type: its declaration
 * @property {string} [head] of an interface: what stands before its braces
 */

/** The entries of the package and the sources behind them: ['weftjs', 'lib/index.ts'], ... */
export function entries() {
  const { name, exports } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'))
  return Object.entries(exports)
    .filter(([, target]) => target.types !== undefined)
    .map(([key, target]) => [path.posix.join(name, key), target.types.replace('./dist/', '').replace(/\.d\.ts$/, '.ts')])
}

const short = (file) => path.relative(root, file).split(path.sep).join('/')
const has = (node, word) => (node.modifiers ?? []).some(({ kind }) => kind === word)

/** The comment before a node. */
function commentBefore(node) {
  const holder = node.kind === SyntaxKind.VariableDeclaration ? node.parent.parent : node
  const before = node.getSourceFile().text.slice(holder.pos, holder.getStart())
  const comment = before.slice(Math.max(0, before.lastIndexOf('/**')))
  return docOf(comment.slice(0, comment.indexOf('*/') + 2))
}

/** A declaration up to its body or value: `softmax(x: TensorLike, axis = -1): Tensor`. */
function headOf(node) {
  const text = node.getSourceFile().text
  const end = node.body ? node.body.pos : node.end
  return text
    .slice(node.getStart(), end)
    .replace(/^(?:(?:export|async|declare|public|protected|override|function|abstract)\s+)+/, '')
    .replaceAll(/\s*\n\s*/g, ' ')
    .replaceAll(/([([{]) /g, (all, open) => (open === '{' ? all : open))
    .replaceAll(/,? ([)\]])/g, '$1')
    .replace(/[;,\s]+$/, '')
}

class Reader {
  constructor(project) {
    this.project = project
    this.checker = project.checker
    this.nodes = new Map()
  }

  behind(symbol) {
    return symbol.flags & SymbolFlags.Alias ? this.checker.getAliasedSymbol(symbol) : symbol
  }

  /** Declarations in the library's own sources. */
  declarations(symbol) {
    if (!this.nodes.has(symbol.id))
      this.nodes.set(
        symbol.id,
        symbol.declarations.map((handle) => handle.resolve(this.project)),
      )
    return this.nodes.get(symbol.id).filter((node) => node && short(node.getSourceFile().fileName).startsWith('lib/'))
  }

  exportsOf(file) {
    const source = this.project.program.getSourceFile(path.join(root, file))
    return this.checker.getExportsOfModule(this.checker.getSymbolAtLocation(source))
  }

  /** The names below an entry or namespace. */
  *namesOf(entry, space, symbols) {
    for (const symbol of symbols) {
      const target = this.behind(symbol)
      if (target.flags & SymbolFlags.ValueModule && target.name.includes('/')) {
        const file = short(`${target.name.replaceAll('"', '')}.ts`)
        yield { ...blank(entry, space, symbol.name), kind: 'namespace', file, doc: docOf('') }
        yield* this.namesOf(entry, space ? `${space}.${symbol.name}` : symbol.name, this.checker.getExportsOfModule(target))
        continue
      }
      const name = this.nameOf(entry, space, symbol.name, target)
      if (name) yield name
    }
  }

  nameOf(entry, space, name, symbol) {
    const nodes = this.declarations(symbol)
    // of a value and a type of one name, the value
    const order = [
      SyntaxKind.ClassDeclaration,
      SyntaxKind.FunctionDeclaration,
      SyntaxKind.VariableDeclaration,
      SyntaxKind.TypeAliasDeclaration,
    ]
    const node = order.map((kind) => nodes.find((each) => each.kind === kind)).find(Boolean) ?? nodes[0]
    if (!node) return undefined
    const doc = commentBefore(
      node.kind === SyntaxKind.ClassDeclaration ? node : (nodes.find((each) => commentBefore(each).text !== '') ?? node),
    )
    if (doc.internal) return undefined
    const base = { ...blank(entry, space, name), file: short(node.getSourceFile().fileName), doc }
    switch (node.kind) {
      case SyntaxKind.FunctionDeclaration: {
        const heads = nodes.filter(({ kind, body }) => kind === SyntaxKind.FunctionDeclaration && (!body || nodes.length === 1))
        const own = heads.length > 0 ? heads : nodes.filter(({ kind }) => kind === SyntaxKind.FunctionDeclaration)
        return { ...base, kind: 'function', signatures: own.map(headOf), ...this.callFacts(symbol) }
      }
      case SyntaxKind.VariableDeclaration:
        return this.constant(base, node, symbol)
      case SyntaxKind.ClassDeclaration: {
        const own = nodes.flatMap((each) => this.membersOf(each))
        const members = [...own, ...this.mergedMembers(symbol, nodes, own)]
        return {
          ...base,
          kind: 'class',
          members,
          bases: this.basesOf(symbol),
          text: headOf({ ...view(node), body: { pos: bodyOf(node) } }),
        }
      }
      case SyntaxKind.InterfaceDeclaration:
        return {
          ...base,
          kind: 'type',
          members: nodes.flatMap((each) => this.membersOf(each)),
          head: headOf({ ...view(node), body: { pos: bodyOf(node) } }),
        }
      default:
        return { ...base, kind: 'type', text: headOf(node).replace(/ = \| /, ' = ') }
    }
  }

  /** A constant that may be called shows its call; another one its type. */
  constant(base, node, symbol) {
    const type = this.checker.getTypeOfSymbol(symbol)
    const calls = this.checker.getSignaturesOfType(type, SignatureKind.Call)
    const [construct] = this.checker.getSignaturesOfType(type, SignatureKind.Construct)
    const made = construct && this.checker.getReturnTypeOfSignature(construct).getSymbol()
    const value = node.initializer?.kind === SyntaxKind.AsExpression ? node.initializer.expression : node.initializer
    const written = value?.kind === SyntaxKind.ClassExpression ? value : undefined
    const holder = (made && this.declarations(made).find(({ kind }) => kind === SyntaxKind.ClassDeclaration)) ?? (construct && written)
    // a class under another name
    if (holder) {
      const doc = commentBefore(holder)
      const members = [...this.membersOf(holder), ...(holder === written ? this.ownProperties(construct, written) : [])]
      return {
        ...base,
        doc: doc.text ? doc : base.doc,
        kind: 'class',
        members,
        bases: made ? this.basesOf(made) : [],
        text: `class ${base.name}`,
      }
    }
    if (calls.length === 0) {
      const text = `${base.name}: ${node.type ? node.type.getText() : this.checker.typeToString(type)}`
      return { ...base, kind: 'value', signatures: [text.replaceAll(/\s*\n\s*/g, ' ')] }
    }
    const signatures = calls.map((call) => {
      const printed = this.project.emitter.printNode(
        this.checker.signatureToSignatureDeclaration(call, SyntaxKind.CallSignature, undefined, NodeBuilderFlags.NoTruncation),
      )
      return `${base.name}${printed.replace(/;$/, '')}`.replaceAll(/import\("[^"]*"\)\./g, '').replaceAll(/\s*\n\s*/g, ' ')
    })
    const own = this.checker
      .getPropertiesOfType(type)
      .flatMap((property) => this.declarations(property))
      .flatMap((each) => memberOf(each) ?? [])
    return { ...base, kind: 'function', signatures, members: own, ...this.callFacts(symbol) }
  }

  /** The options that a function takes, and the class of what it gives. */
  callFacts(symbol) {
    const options = { names: [], rows: [] }
    let makes
    for (const call of this.checker.getSignaturesOfType(this.checker.getTypeOfSymbol(symbol), SignatureKind.Call)) {
      const result = this.checker.getReturnTypeOfSignature(call)
      makes ??= result?.getSymbol()?.name
      for (const parameter of call.getParameters()) {
        let type = this.checker.getTypeOfSymbol(parameter)
        if (type && this.checker.isTupleType(type)) type = this.checker.getTypeArguments(type)[0]
        if (type) this.optionsOf(type, options)
      }
    }
    return { options, makes }
  }

  optionsOf(type, { names, rows }) {
    const parts = type.isUnionType() || type.isIntersectionType() ? type.getTypes() : [type]
    for (const part of parts) {
      if (part.isUnionType() || part.isIntersectionType()) {
        this.optionsOf(part, { names, rows })
        continue
      }
      const name = part.getAliasSymbol()?.name ?? part.getSymbol()?.name
      if (!name || names.includes(name) || !/Options$/.test(name)) continue
      names.push(name)
      if (name === 'LayerOptions') continue
      for (const property of this.checker.getPropertiesOfType(part)) {
        const node = this.declarations(property)[0]
        if (!node || rows.some((row) => row.name === property.name)) continue
        const doc = commentBefore(node)
        if (doc.internal) continue
        const optional = (property.flags & SymbolFlags.Optional) !== 0
        const text = (node.type?.getText() ?? this.checker.typeToString(this.checker.getTypeOfSymbol(property))).replaceAll(
          /\s*\n\s*/g,
          ' ',
        )
        rows.push({ name: property.name, optional, type: text, doc: doc.text })
      }
    }
  }

  /** The classes that a class extends, nearest first. */
  basesOf(symbol) {
    const [base] = this.checker.getBaseTypes(this.checker.getDeclaredTypeOfSymbol(symbol))
    const parent = base?.getSymbol()
    const node = parent && this.declarations(parent).find(({ kind }) => kind === SyntaxKind.ClassDeclaration)
    if (!node) return []
    return [{ name: parent.name, file: short(node.getSourceFile().fileName), members: this.membersOf(node) }, ...this.basesOf(parent)]
  }

  /** Members of a class that come from interfaces which an interface of the same name extends. */
  mergedMembers(symbol, nodes, own) {
    if (!nodes.some(({ kind, heritageClauses }) => kind === SyntaxKind.InterfaceDeclaration && heritageClauses !== undefined)) return []
    const known = new Set(own.map(({ name }) => name))
    return this.checker
      .getPropertiesOfType(this.checker.getDeclaredTypeOfSymbol(symbol))
      .filter(({ name }) => !known.has(name))
      .flatMap((property) => this.declarations(property))
      .flatMap((each) => (each.parent.kind === SyntaxKind.InterfaceDeclaration ? (memberOf(each) ?? []) : []))
  }

  /** What instances have beside the members of a class expression and of the class that it extends. */
  ownProperties(construct, node) {
    const [base] = [...(node.heritageClauses ?? [])].flatMap(({ types }) => [...types])
    const inherited = base ? this.checker.getTypeAtLocation(base) : undefined
    const known = new Set([
      ...[...node.members].map((member) => member.name?.getText()),
      ...(inherited ? this.checker.getPropertiesOfType(inherited).map(({ name }) => name) : []),
    ])
    return this.checker
      .getPropertiesOfType(this.checker.getReturnTypeOfSignature(construct))
      .filter(({ name }) => !known.has(name))
      .flatMap((property) => this.declarations(property).flatMap((each) => memberOf(each) ?? []))
  }

  membersOf(node) {
    return [...node.members].flatMap((member) => memberOf(member) ?? [])
  }
}

const blank = (entry, space, name) => ({ entry, space, name, signatures: [], options: { names: [], rows: [] }, members: [] })
const view = (node) => ({ getSourceFile: () => node.getSourceFile(), getStart: () => node.getStart(), end: node.end })

/** Where the braces of a class or interface begin. */
function bodyOf(node) {
  const [first] = node.members
  return node.getSourceFile().text.lastIndexOf('{', first ? first.pos : node.end - 1)
}

function memberOf(node) {
  const name =
    node.name?.getText() ?? (node.kind === SyntaxKind.CallSignature ? '()' : node.kind === SyntaxKind.Constructor ? 'constructor' : '')
  if (has(node, SyntaxKind.PrivateKeyword) || has(node, SyntaxKind.OverrideKeyword) || name === '' || name.startsWith('#')) return undefined
  const doc = commentBefore(node)
  // what a subclass may use or replace is said where it has a docstring
  const isProtected = has(node, SyntaxKind.ProtectedKeyword)
  if (doc.internal || (isProtected && doc.text === '')) return undefined
  let text = headOf(node).replace(/^readonly /, '')
  if (node.kind === SyntaxKind.PropertyDeclaration) text = text.replace(/\s=\s.*$/, '').replace(/!:/, ':')
  const isStatic = has(node, SyntaxKind.StaticKeyword)
  return {
    name: name.replaceAll("'", ''),
    text: text.replace(/^static (readonly )?/, ''),
    doc,
    file: short(node.getSourceFile().fileName),
    isStatic,
    isProtected,
  }
}

/** Members that a class has from classes that are not public count as its own. */
function withInherited(names) {
  const known = new Set(names.filter(({ kind }) => kind === 'class').map(({ file, name }) => `${file} ${name}`))
  for (const each of names) {
    for (const { name, file, members } of each.bases ?? []) {
      if (known.has(`${file} ${name}`)) break
      each.members.push(
        ...members
          .filter((member) => !each.members.some((own) => own.name === member.name))
          .map((member) => ({ ...member, inherited: true })),
      )
    }
    delete each.bases
  }
  return names
}

/** All public names, in the order of the entries. @returns {Name[]} */
export function readNames() {
  const config = path.join(root, 'tsconfig.json')
  if (!existsSync(path.join(root, 'node_modules', 'typescript'))) throw new Error('reference: needs node_modules; run npm install')
  const api = new API({ cwd: root })
  try {
    const project = api.updateSnapshot({ openProjects: [config] }).getProjects()[0]
    const reader = new Reader(project)
    return withInherited(entries().flatMap(([entry, file]) => [...reader.namesOf(entry, '', reader.exportsOf(file))]))
  } finally {
    api.close()
  }
}
