// The package that reads Parquet files, and what unpacks their columns.
import zlib from 'node:zlib'
import { WeftError } from '../core/error.js'

type Package = typeof import('hyparquet')
export type Compressors = NonNullable<Parameters<Package['parquetRead']>[0]['compressors']>
export type Metadata = Awaited<ReturnType<Package['parquetMetadataAsync']>>
/** Parts of the package that reading a file is made of. */
export type Parts = Package & typeof import('hyparquet/src/column.js') & typeof import('hyparquet/src/schema.js')
export type PageHeader = ReturnType<Parts['parquetHeader']>

/** hyparquet, with parts of it. ERR_ARGUMENT where it is not installed. */
export async function hyparquet(): Promise<Parts> {
  try {
    const parts = await Promise.all([import('hyparquet/src/column.js'), import('hyparquet/src/schema.js')])
    return Object.assign({}, await import('hyparquet'), ...parts) as Parts
  } catch (cause) {
    throw absent('data.parquet: Parquet files are read by the package hyparquet', 'hyparquet', cause)
  }
}

function absent(what: string, name: string, cause: unknown): unknown {
  if ((cause as { code?: string }).code !== 'ERR_MODULE_NOT_FOUND') return cause
  return new WeftError('ERR_ARGUMENT', `${what}, which is not installed`, { cause, hint: `Run: npm install ${name}` })
}

/** Packed as hyparquet unpacks it by itself. */
const OWN: readonly string[] = ['UNCOMPRESSED', 'SNAPPY']

const BY_NODE: Compressors = {
  GZIP: (input, outputLength) => zlib.gunzipSync(input, { maxOutputLength: Math.max(1, outputLength) }),
  BROTLI: (input, outputLength) => zlib.brotliDecompressSync(input, { maxOutputLength: Math.max(1, outputLength) }),
}

/** What unpacks the columns of these names. ERR_ARGUMENT names the package that is missing for it. */
export async function compressorsFor(path: string, { row_groups }: Metadata, names: ReadonlySet<string>): Promise<Compressors> {
  for (const { columns } of row_groups)
    for (const { meta_data } of columns) {
      if (meta_data === undefined || !names.has(meta_data.path_in_schema[0]!)) continue
      const { codec } = meta_data
      if (OWN.includes(codec) || codec in BY_NODE) continue
      try {
        const { compressors } = await import('hyparquet-compressors')
        return { ...(compressors as Compressors), ...BY_NODE }
      } catch (cause) {
        throw absent(
          `${path}: columns packed with ${codec} are unpacked by the package hyparquet-compressors`,
          'hyparquet-compressors',
          cause,
        )
      }
    }
  return BY_NODE
}
