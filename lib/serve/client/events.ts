// Server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html): the data of each.

/** The data of the events in a text that comes in pieces. What ends without an empty line is no event. */
export async function* eventsOf(pieces: AsyncIterable<string>): AsyncGenerator<string, void, undefined> {
  let rest = ''
  let data: string[] = []
  for await (const piece of pieces) {
    rest += piece
    for (let match = LINE_END.exec(rest); match !== null; match = LINE_END.exec(rest)) {
      // a line feed may follow in the next piece
      if (match[0] === '\r' && match.index === rest.length - 1) break
      const line = rest.slice(0, match.index)
      rest = rest.slice(match.index + match[0].length)
      if (line === '') {
        if (data.length > 0) yield data.join('\n')
        data = []
      } else if (line === 'data' || line.startsWith('data:')) data.push(line.slice(5).replace(/^ /, ''))
    }
  }
}

const LINE_END = /\r\n|\n|\r/
