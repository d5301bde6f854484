// Routes of the dashboard, for the role 'read'. A browser asks for the key by itself: it is the password, and any name
// will do.
import type { Metrics } from '../metrics.js'
import type { Route } from '../rest/routes.js'
import type { Service } from '../service.js'
import { dashboardData } from './data.js'
import { PAGE, PAGE_HEADERS } from './page.js'

const ROOT = '/dashboard'

export function dashboardRoutes(service: Service, metrics: Metrics): Route[] {
  return [
    {
      method: 'GET',
      url: ROOT,
      roles: ['read'],
      answer: ({ reply }) => {
        reply.headers(PAGE_HEADERS).type('text/html; charset=utf-8').send(PAGE)
        return undefined
      },
    },
    {
      method: 'GET',
      url: `${ROOT}/data`,
      roles: ['read'],
      answer: ({ reply, principal }) => {
        const { 'content-security-policy': _page, ...headers } = PAGE_HEADERS
        reply.headers(headers)
        return dashboardData(service, metrics, principal)
      },
    },
  ]
}

/**
 * How those who lack credentials are asked for them. Other routes take no credentials that a browser sends by itself.
 */
export const challengeOf = (route: string | undefined): string => (isDashboard(route) ? 'Basic realm="weft", charset="UTF-8"' : 'Bearer')

const isDashboard = (route: string | undefined): boolean => route === ROOT || route === `${ROOT}/data`

/** The header as the server takes it: the password of a browser is a key. */
export function authorizationOf(route: string | undefined, authorization: string | undefined): string | undefined {
  if (authorization === undefined || !isDashboard(route)) return authorization
  const [, encoded] = /^Basic +([A-Za-z0-9+/]+={0,2})$/i.exec(authorization) ?? []
  if (encoded === undefined) return authorization
  const text = Buffer.from(encoded, 'base64').toString()
  return `Bearer ${text.slice(text.indexOf(':') + 1)}`
}
