// Signatures as one reads them: what types compute of shapes and dtypes is left out, long ones are broken.

/** Parts of a list at its own level: 'a: A, b?: [B, C]' gives two. */
export function partsOf(text, separator = ',') {
  const parts = ['']
  let depth = 0
  for (let i = 0; i < text.length; i++) {
    const sign = text[i]
    const arrow = sign === '>' && text[i - 1] === '='
    if ('([{<'.includes(sign)) depth++
    if (')]}>'.includes(sign) && !arrow) depth--
    if (depth === 0 && sign === separator) parts.push('')
    else parts[parts.length - 1] += sign
  }
  return parts.map((part) => part.trim()).filter((part) => part !== '')
}

/** The place behind the bracket that closes the one at `open`. */
function closing(text, open) {
  let depth = 0
  for (let i = open; i < text.length; i++) {
    if ('([{<'.includes(text[i])) depth++
    if (')]}>'.includes(text[i]) && text[i - 1] !== '=' && --depth === 0) return i + 1
  }
  return text.length
}

/** Types of what is known about shapes, and what they are to a reader. */
const KNOWN = { Result: 'Tensor', DataOf: 'HostArray', ArrayOf: 'NestedArray', ShapeField: 'Shape', Variable: 'Variable', Tensor: 'Tensor' }

/** A type without what is computed of others: 'A & MatMulCheck<...>' with A extends TensorLike is TensorLike. */
function plainType(type, constraints) {
  let text = partsOf(type, '&')
    .filter((part) => !/Check</.test(part))
    .join(' & ')
  for (const [word, plain] of Object.entries(KNOWN))
    for (let at = text.search(new RegExp(`\\b${word}<`)); at >= 0; at = text.search(new RegExp(`\\b${word}<`)))
      text = text.slice(0, at) + plain + text.slice(closing(text, text.indexOf('<', at)))
  for (const [name, constraint] of constraints) text = text.replaceAll(new RegExp(`(?<![\\w'.])${name}(?![\\w':])`, 'g'), constraint)
  const options = /\b\w+Options</.exec(text)
  return options
    ? text.slice(0, options.index + options[0].length - 1) + text.slice(closing(text, options.index + options[0].length - 1))
    : text
}

/** A generic signature whose types follow shapes, with the constraints in place of its type parameters. */
export function withoutShapes(signature) {
  if (!/\b(Result|ShapeOf|DTypeOf|DataOf|ArrayOf|ShapeField|Known\w+|\w+DType|\w+Check)</.test(signature)) return signature
  const property = /^((?:get )?\w+\??: )([^(]*)$/.exec(signature)
  if (property) return property[1] + plainType(property[2], [])
  const open = signature.indexOf('(')
  const generic = signature.indexOf('<')
  const constraints = []
  let name = signature.slice(0, open)
  let from = open
  if (generic >= 0 && generic < open) {
    from = closing(signature, generic)
    name = signature.slice(0, generic)
    for (const part of partsOf(signature.slice(generic + 1, from - 1))) {
      const [, parameter, constraint] = /^(?:const )?(\w+)(?: extends (.*?))?(?: = .*)?$/.exec(part) ?? []
      if (parameter) constraints.push([parameter, constraint ?? 'unknown'])
    }
  }
  const end = closing(signature, from)
  const parameters = partsOf(signature.slice(from + 1, end - 1))
    .filter((parameter) => !parameter.startsWith('this:'))
    .map((parameter) => {
      const colon = parameter.search(/\??: /)
      const mark = parameter[colon] === '?' ? '?: ' : ': '
      return colon < 0 ? parameter : parameter.slice(0, colon) + mark + plainType(parameter.slice(colon + mark.length), constraints)
    })
  const result = signature.slice(end).replace(/^(: | => )/, '')
  return `${name}(${parameters.join(', ')}): ${plainType(result, constraints)}`
}

/** What the compiler prints, as one would write it. */
export const tidy = (signature) =>
  withoutShapes(signature)
    .replaceAll('<any, any>', '')
    .replaceAll('(object & LayerOptions)', 'LayerOptions')
    .replaceAll(/\?: \(([^()]*)\) \| undefined(?=[,)])/g, '?: $1')
    .replaceAll(/\?: ((?:[^,()<>]|<[^<>]*>)+?) \| undefined(?=[,)])/g, '?: $1')

/** A signature with its parameters on lines of their own where it is long. */
export function broken(signature) {
  const open = signature.indexOf('(')
  if (signature.length <= 110 || open < 0) return signature
  const end = closing(signature, open)
  const parameters = partsOf(signature.slice(open + 1, end - 1))
  return parameters.length > 1
    ? `${signature.slice(0, open + 1)}\n${parameters.map((part) => `  ${part},\n`).join('')}${signature.slice(end - 1)}`
    : signature
}

/** A method that is an operation: its name, and that of the operation. */
export function operationOf(text) {
  const [, name, argument = ''] = /^(\w+): (?:\w*Method|M(?=<))(<.*>)?$/.exec(text) ?? []
  if (name === undefined) return undefined
  const [, operation = name] = /typeof ((?:ops\.)?\w+)/.exec(argument) ?? []
  return { name, operation }
}

/** A member as it is shown; methods that an operation is have its parameters but the first. */
export function memberText(text, functions) {
  const method = operationOf(text)
  const signature = method && functions.get(method.operation)?.signatures[0]
  if (!signature) return tidy(text)
  const plain = tidy(signature)
  const open = plain.indexOf('(')
  const end = closing(plain, open)
  return `${method.name}(${partsOf(plain.slice(open + 1, end - 1))
    .slice(1)
    .join(', ')})${plain.slice(end)}`
}
