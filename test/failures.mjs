// Failures in few lines, for the end of an output: from what uvu prints for a test file, and from any output that ends
// early.
/** Of each message. */
const LINES = 6
const COLUMNS = 300

const cut = (line) => (line.length > COLUMNS ? `${line.slice(0, COLUMNS)}...` : line)
const said = (line) => line.trim() !== ''

/** Each failed test of a file: its name, the first lines of its message, and where it failed. */
export function failedTests(output) {
  return output.split(/^(?= {3}FAIL {2})|^(?= {2}Total: )/m).flatMap((block) => {
    if (!block.startsWith('   FAIL ')) return []
    const [title, ...rest] = block.split('\n').filter(said)
    const place = rest.find((line) => /^ {4}at .*[/\\]dist[/\\]/.test(line)) ?? rest.find((line) => line.startsWith('    at '))
    const message = rest.filter((line) => !line.startsWith('    at ')).slice(0, LINES)
    if (place !== undefined) message.push(place)
    return [title.trim(), ...message.map((line) => line.replace(/^ {1,2}/, ''))].map(cut)
  })
}

/** The last lines of an output. */
export function lastLines(output, lines = 15) {
  return output.split('\n').filter(said).slice(-lines).map(cut)
}
