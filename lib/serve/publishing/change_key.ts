// changeModelKey: the encrypted versions of a repository under a new model key. Their data keys are encrypted anew;
// their files, and the signatures of these, stay as they are.
import { readdir, realpath } from 'node:fs/promises'
import path from 'node:path'
import { WeftError } from '../../core/error.js'
import { checkCall } from '../../core/options.js'
import { systemError } from '../../core/system_error.js'
import { ENVELOPE_FILE } from '../../io/published.js'
import { checkRepository, modelNames } from '../repository/folder.js'
import { VERSION } from '../repository/settings.js'
import { readEnvelope, unwrap, wrap } from './envelope.js'
import { ModelKeys, readModelKey } from './model_keys.js'
import { replaceText } from './files.js'

export interface ChangedKeys {
  /** 'digits/3' and so on: versions that have the new key now. */
  readonly changed: readonly string[]
  /** Those that had it before. */
  readonly unchanged: readonly string[]
}

/**
 * Every encrypted version takes the new key in place of one of the old ones, each by one rename; what is interrupted
 * goes on when it is called again. Servers that have both keys go on meanwhile. ERR_STATE where a version has another
 * key: those before it are changed then.
 * @param oldKeys 'file:old.key', 'env:NAME' or 'command:...'
 */
export async function changeModelKey(repository: string, oldKeys: readonly string[], newKey: string): Promise<ChangedKeys> {
  checkCall('changeModelKey(repository, oldKeys, newKey)', arguments)
  if (!Array.isArray(oldKeys))
    throw new WeftError('ERR_ARGUMENT', 'changeModelKey: the old keys are a list', { hint: "Write ['file:old.key']" })
  const to = readModelKey(newKey)
  const from = new ModelKeys(oldKeys)
  const changed: string[] = []
  const unchanged: string[] = []
  try {
    const root = await realpath(repository)
    await checkRepository('changeModelKey', root)
    for (const model of await modelNames(root)) {
      const versions = (await readdir(path.join(root, model))).filter((name) => VERSION.test(name)).map(Number)
      for (const version of versions.sort((a, b) => a - b)) {
        const file = path.join(root, model, `${version}`, ENVELOPE_FILE)
        const envelope = await readEnvelope(file)
        if (envelope === undefined) continue
        const of = { model, version }
        if (envelope.keyId === to.id) {
          unchanged.push(`${model}/${version}`)
          continue
        }
        const dataKey = unwrap(envelope, of, from.find(envelope.keyId))
        await replaceText(file, wrap(dataKey, of, to))
        dataKey.fill(0)
        changed.push(`${model}/${version}`)
      }
    }
    return { changed, unchanged }
  } catch (error) {
    throw systemError(`changeModelKey: ${repository} cannot be changed`, error, 'ERR_ARGUMENT')
  }
}
