// The OpenAPI document of the REST server, made of its routes.
import type { Route } from './routes.js'

const text = { type: 'string' }
const flag = { type: 'boolean' }
const whole = { type: 'integer' }
const list = (items: object): object => ({ type: 'array', items })
const object = (properties: Record<string, object>, required: readonly string[] = Object.keys(properties)): object => ({
  type: 'object',
  properties,
  required,
})
const use = (name: string): object => ({ $ref: `#/components/schemas/${name}` })
const parameters = { type: 'object', additionalProperties: { type: ['string', 'number', 'boolean'] } }
const values = { type: 'array', description: 'Values, flat or nested as the shape says' }
const tensor = { name: text, shape: list(whole), datatype: text, parameters, data: values }
const specs = list(object({ name: text, datatype: text, shape: list(whole) }))
const NO_TENSORS: readonly string[] = ['name', 'shape', 'datatype']

const SCHEMAS: Readonly<Record<string, object>> = {
  Error: object({ error: text }),
  Live: object({ live: flag }),
  Ready: object({ ready: flag }),
  ServerMetadata: object({ name: text, version: text, extensions: list(text) }),
  ModelMetadata: object({ name: text, versions: list(text), platform: text, inputs: specs, outputs: specs }),
  InferRequest: object(
    {
      id: text,
      parameters,
      inputs: list(object(tensor, NO_TENSORS)),
      outputs: list(object({ name: text, parameters }, ['name'])),
    },
    ['inputs'],
  ),
  ExplainRequest: object(
    {
      id: text,
      parameters: {
        type: 'object',
        description: 'method: integratedGradients (default), saliency, occlusion or shap; and what it takes',
        properties: {
          method: { enum: ['integratedGradients', 'saliency', 'occlusion', 'shap'] },
          target: whole,
          steps: whole,
          absolute: flag,
          size: whole,
          stride: whole,
          value: { type: 'number' },
          samples: whole,
          seed: whole,
        },
      },
      inputs: { ...list(object(tensor, NO_TENSORS)), description: "The model's input; baseline or background beside it" },
      outputs: list(object({ name: text, parameters }, ['name'])),
    },
    ['inputs'],
  ),
  InferReply: object({ model_name: text, model_version: text, id: text, outputs: list(object(tensor, NO_TENSORS)) }, [
    'model_name',
    'outputs',
  ]),
  GenerateRequest: object({ id: text, text_input: text, ids: list(whole), stop_tokens: list(whole), parameters }, []),
  GenerateReply: object({ id: text, model_name: text, model_version: text, text_output: text, ids: list(whole), finish_reason: text }, [
    'model_name',
    'text_output',
  ]),
  PredictRequest: object({ signature_name: text, instances: values, inputs: {} }, []),
  IndexRequest: object({ ready: flag }, []),
  Index: list(object({ name: text, version: text, state: text, reason: text }, ['name'])),
  LoadRequest: object({ parameters }, []),
  Statistics: object({ model_stats: list({ type: 'object' }) }),
}

/** The path as OpenAPI writes it: `{model}` for `:model`, without patterns of parameters; `::` is a colon. */
export const templateOf = (url: string): string =>
  url
    .replace(/:(\w+)(\(\^\[\^:\]\+\))?/g, (whole, name: string, _pattern, at: number) => (url[at - 1] === ':' ? whole : `{${name}}`))
    .replaceAll('::', ':')

const isBinary = (name: string | undefined): boolean => name === 'InferRequest' || name === 'ExplainRequest' || name === 'InferReply'

function contentOf(name: string, isStream: boolean): object {
  if (isStream) return { 'text/event-stream': { schema: text } }
  return {
    'application/json': { schema: use(name) },
    ...(isBinary(name) ? { 'application/octet-stream': { schema: { type: 'string', format: 'binary' } } } : {}),
  }
}

const REFUSALS: Readonly<Record<string, string>> = {
  400: 'The request is wrong; the text says what',
  401: 'No valid credentials',
  403: 'Not for these credentials',
  404: 'The model or version is unknown',
  413: 'Larger than a limit',
  429: 'The queue is full: try again after Retry-After',
  500: 'The server failed',
  501: 'Not offered',
  503: 'Not ready',
  504: 'Too late',
}

export function openApiOf(routes: readonly Route[], version: string): object {
  const paths: Record<string, Record<string, object>> = {}
  for (const { method, url, about, takes, gives, roles } of routes) {
    const template = templateOf(url)
    const refusals = Object.fromEntries(
      Object.entries(REFUSALS).map(([status, description]) => [
        status,
        { description, content: { 'application/json': { schema: use('Error') } } },
      ]),
    )
    const reply = gives === undefined ? {} : { content: contentOf(gives, url.endsWith('_stream')) }
    const names = [...template.matchAll(/\{(\w+)\}/g)].map(([, name]) => name!)
    const operation = {
      operationId: `${method.toLowerCase()} ${template}`,
      summary: about ?? `${method} ${template}`,
      description: `Roles: ${roles.join(', ')}.`,
      parameters: names.map((name) => ({ name, in: 'path', required: true, schema: text })),
      ...(takes === undefined ? {} : { requestBody: { content: contentOf(takes, false) } }),
      responses: { 200: { description: 'The answer', ...reply }, ...refusals },
    }
    paths[template] = { ...paths[template], [method.toLowerCase()]: operation }
  }
  return {
    openapi: '3.1.0',
    info: { title: 'Weft', version, description: 'Models over the Open Inference Protocol, version 2' },
    security: [{ bearer: [] }, { key: [] }, {}],
    paths,
    components: {
      schemas: SCHEMAS,
      securitySchemes: { bearer: { type: 'http', scheme: 'bearer' }, key: { type: 'apiKey', in: 'header', name: 'x-api-key' } },
    },
  }
}
