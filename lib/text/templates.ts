// Post-processors of tokenizer.json files: the tokens that are put around a text, or a pair of texts.
import { WeftError } from '../core/error.js'
import { show } from '../core/options.js'
import { isRecord } from '../core/tree.js'
import { listOf } from './json_parts.js'

/** Ids of tokens, and 'A' and 'B' where the texts go; and the type of text each counts as. */
export type Template = readonly { token: number | 'A' | 'B'; type: number }[]
export interface Templates {
  single: Template
  pair: Template
}

const part = (token: number | 'A' | 'B', type = 0): Template[number] => ({ token, type })
const PLAIN: Templates = { single: [part('A')], pair: [part('A'), part('B')] }

/** A template processor for [CLS] A [SEP] B [SEP]. */
export function bertTemplate(cls: [string, number], sep: [string, number]): object {
  const special = ([id]: [string, number], type_id: number): object => ({ SpecialToken: { id, type_id } })
  const sequence = (id: string, type_id: number): object => ({ Sequence: { id, type_id } })
  return {
    type: 'TemplateProcessing',
    single: [special(cls, 0), sequence('A', 0), special(sep, 0)],
    pair: [special(cls, 0), sequence('A', 0), special(sep, 0), sequence('B', 1), special(sep, 1)],
    special_tokens: Object.fromEntries([cls, sep].map(([id, number]) => [id, { id, ids: [number], tokens: [id] }])),
  }
}

/** The templates of a post-processor in JSON; ERR_FORMAT for kinds that are not known. */
export function templatesOf(json: unknown): Templates {
  if (json === null || json === undefined) return PLAIN
  if (!isRecord(json)) throw new WeftError('ERR_FORMAT', 'the post-processor of the tokenizer is not an object')
  switch (json['type']) {
    case 'ByteLevel':
      return PLAIN
    case 'BertProcessing':
    case 'RobertaProcessing': {
      const [cls, sep] = ['cls', 'sep'].map((name) => (json[name] as unknown[] | undefined)?.[1])
      if (typeof cls !== 'number' || typeof sep !== 'number')
        throw new WeftError('ERR_FORMAT', `cls and sep of ${json['type']} are missing`)
      const [first, last] = [part(cls as number), part(sep as number)]
      const single = [first, part('A'), last]
      // RoBERTa has no types, and a second separator
      const second = json['type'] === 'RobertaProcessing' ? [last, part('B'), last] : [part('B', 1), { ...last, type: 1 }]
      return { single, pair: [...single, ...second] }
    }
    case 'TemplateProcessing':
      return { single: template(json, 'single'), pair: template(json, 'pair') }
    case 'Sequence': {
      const found = listOf(json, 'processors')
        .map(templatesOf)
        .filter((templates) => templates !== PLAIN)
      if (found.length > 1) throw new WeftError('ERR_FORMAT', 'the tokenizer has several post-processors that add tokens')
      return found[0] ?? PLAIN
    }
    default:
      throw new WeftError('ERR_FORMAT', `the post-processor ${show(json['type'])} of the tokenizer is not known`, {
        hint: 'Known: ByteLevel, BertProcessing, RobertaProcessing, TemplateProcessing, Sequence',
      })
  }
}

function template(json: Record<string, unknown>, name: string): Template {
  const specials = json['special_tokens']
  const list = json[name]
  const wrong = (): WeftError =>
    new WeftError('ERR_FORMAT', `TemplateProcessing: ${name} is not a list of Sequence and SpecialToken: ${show(list)}`)
  if (!Array.isArray(list)) throw wrong()
  return list.flatMap((item: unknown): Template => {
    if (!isRecord(item)) throw wrong()
    const { Sequence: sequence, SpecialToken: special } = item
    const facts = sequence ?? special
    if (!isRecord(facts)) throw wrong()
    const type = Number(facts['type_id'] ?? 0)
    if (sequence !== undefined) {
      if (facts['id'] !== 'A' && facts['id'] !== 'B') throw wrong()
      return [part(facts['id'], type)]
    }
    const id = facts['id']
    const token = isRecord(specials) && typeof id === 'string' && Object.hasOwn(specials, id) ? specials[id] : undefined
    const ids: unknown = isRecord(token) ? token['ids'] : undefined
    if (!Array.isArray(ids) || !ids.every((id) => Number.isInteger(id) && id >= 0)) {
      throw new WeftError('ERR_FORMAT', `TemplateProcessing: the token ${show(id)} has no ids`)
    }
    return ids.map((id: number) => part(id, type))
  })
}
