// The version of this package. Commands ask for it before they load the library, so nothing of it is imported here.
import { createRequire } from 'node:module'

/** As package.json has it. It is read when it is first asked for: most programs never do. */
export const packageVersion = (): string => (createRequire(import.meta.url)('weftjs/package.json') as { version: string }).version
