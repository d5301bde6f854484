// Catalogues: whether every factory that users can name has a row among the tests.
import { test } from 'uvu'
import * as assert from 'uvu/assert'

/**
 * A test that fails for every factory without a row.
 * @param factories what the catalogue exports, by name
 * @param rows the names that the rows are about
 * @param place where a missing row goes, for the message
 */
export function everyFactoryHasARow(factories: object, rows: Iterable<string>, place: string): void {
  test(`every factory has a row: ${place}`, () => {
    const [known, tested] = [Object.keys(factories), new Set(rows)]
    const missing = known.filter((name) => !tested.has(name))
    assert.equal(missing, [], `no test for ${missing.join(', ')}: add to the ${place}`)
    const stray = [...tested].filter((name) => !known.includes(name))
    assert.equal(stray, [], `no factory has the name ${stray.join(', ')}: see the ${place}`)
  })
}
