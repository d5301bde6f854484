// Hosts: the names that requests may be addressed to. A web page whose own name is made to lead to this machine (DNS
// rebinding) can ask servers that ask nobody who they are, and read the answers. Its requests still carry its name.
import type { IncomingHttpHeaders } from 'node:http'
import { isIPv6 } from 'node:net'
import { WeftError } from '../../core/error.js'
import { show } from '../../core/options.js'
import { isLoopback } from '../security.js'

/** Throws ERR_FORBIDDEN for headers that name another host than this server may be called. */
export type HostCheck = (headers: IncomingHttpHeaders) => void

const ANY = '*'
const NAME = /^(?:[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?|\*)$/

/** Names or addresses, without a port. ERR_ARGUMENT for others. */
export function checkHosts(hosts: readonly unknown[]): void {
  for (const host of hosts)
    if (typeof host !== 'string' || !(NAME.test(host) || isIPv6(host)))
      throw new WeftError('ERR_ARGUMENT', `serve: hosts are names or addresses without a port, got ${show(host)}`, {
        hint: "Write hosts: ['models.example.com'], or hosts: ['*'] for any",
      })
}

/**
 * The names of the loopback, the address that the server is bound to, and those of `hosts`. Undefined where all names
 * are taken: `hosts` is not given and others than this machine's programs are meant to ask, or it has '*'.
 */
export function hostCheck(bound: string, hosts: readonly string[] | undefined, guarded: boolean): HostCheck | undefined {
  if (hosts === undefined ? guarded || !isLoopback(bound) : hosts.includes(ANY)) return undefined
  const known = new Set([bound, ...(hosts ?? [])].map((host) => host.toLowerCase()))
  /** Clients mostly ask under one name. */
  let latest: string | undefined
  return (headers) => {
    for (const authority of [headers.host, headers[':authority'] as string | undefined]) {
      if (authority === undefined || authority === latest) continue
      const name = nameOf(authority)
      if (name === 'localhost' || name.endsWith('.localhost') || isLoopback(name) || known.has(name)) {
        latest = authority
        continue
      }
      throw new WeftError('ERR_FORBIDDEN', 'this server is not asked under the name in the header Host', {
        hint: "Where that is meant: serve({ hosts: ['models.example.com'] }), or --hosts on the command line",
      })
    }
  }
}

/** Without the port, the brackets of an IPv6 address, and the dot of the root. */
const nameOf = (authority: string): string =>
  (/^\[([^\]]*)\](?::\d*)?$/.exec(authority)?.[1] ?? authority.replace(/:\d*$/, '')).replace(/\.$/, '').toLowerCase()
