// The object in a JSON file, where there is one.
import { jsonObject, RegularFile } from './regular_file.js'

/** Undefined where there is no such file, or something else in it. */
export async function jsonOf(file: string): Promise<Record<string, unknown> | undefined> {
  let opened: RegularFile | undefined
  try {
    opened = await RegularFile.open(file)
    return jsonObject(await opened.text(), file)
  } catch {
    return undefined
  } finally {
    await opened?.close()
  }
}
