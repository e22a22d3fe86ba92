/** What tests ask of an OpenAPI 3.1 document: its operations, its faults, and values held to it. */
import { z } from 'zod'

/** JSON as it was parsed; a test that reads what is not there fails. */
type Json = ReturnType<typeof JSON.parse>

export interface Operation {
  method: string
  path: string
  operation: Json
}

const methods = ['get', 'post', 'put', 'patch', 'delete', 'options', 'head', 'trace']

export const operationsOf = (document: Json): Operation[] =>
  Object.entries<Json>(document.paths).flatMap(([path, item]) =>
    methods
      .filter((method) => item[method])
      .map((method) => ({ method, path, operation: item[method] })),
  )

/** What a reference points to; undefined when it points to nothing. */
export const resolve = (document: Json, value: Json): Json =>
  value?.$ref === undefined
    ? value
    : value.$ref
        .slice(2)
        .split('/')
        .reduce((at: Json, part: string) => at?.[part], document)

/** A schema without references in which only what is documented may occur. */
function close(document: Json, given: Json): Json {
  const schema = resolve(document, given)
  if (typeof schema !== 'object' || schema === null) return schema
  const closed = (value: Json) => close(document, value)
  if (schema.allOf) {
    const parts: Json[] = [...schema.allOf.map(closed), closed({ ...schema, allOf: undefined })]
    return {
      type: 'object',
      properties: Object.assign({}, ...parts.map((part) => part.properties)),
      required: parts.flatMap((part) => part.required ?? []),
      additionalProperties: false,
    }
  }
  const copy = { ...schema }
  for (const name of ['items', 'additionalProperties']) {
    if (typeof copy[name] === 'object') copy[name] = closed(copy[name])
  }
  for (const name of ['anyOf', 'oneOf']) if (copy[name]) copy[name] = copy[name].map(closed)
  if (copy.properties) {
    copy.properties = Object.fromEntries(
      Object.entries(copy.properties).map(([name, value]) => [name, closed(value)]),
    )
    copy.additionalProperties ??= false
  }
  return Object.fromEntries(Object.entries(copy).filter(([, value]) => value !== undefined))
}

const validators = new WeakMap<object, z.ZodType>()

/** What is wrong with `value` by `schema`, as one text; empty when nothing is. */
export function mismatch(document: Json, schema: Json, value: unknown): string {
  const target = resolve(document, schema)
  const validator = validators.get(target) ?? z.fromJSONSchema(close(document, target))
  validators.set(target, validator)
  const parsed = validator.safeParse(value)
  return parsed.success ? '' : z.prettifyError(parsed.error)
}

/** Breaches of the OpenAPI 3.1 specification (its sections in brackets), each with its place. */
export function faultsOf(document: Json): string[] {
  const faults: string[] = []
  const need = (holds: unknown, fault: string) => void (holds || faults.push(fault))
  need(/^3\.1\.\d+$/.test(document.openapi), 'openapi [4.8.1]')
  need(document.info?.title && document.info?.version, 'info [4.8.2]')
  const tags = new Set(document.tags.map(({ name }: Json) => name))
  need(tags.size === document.tags.length, 'tags are not unique [4.8.1]')
  const ids = new Set<string>()
  for (const { method, path, operation } of operationsOf(document)) {
    const at = `${method} ${path}`
    need(path.startsWith('/'), `${at}: path [4.8.8]`)
    need(!ids.has(operation.operationId), `${at}: operationId is not unique [4.8.10]`)
    ids.add(operation.operationId)
    for (const tag of operation.tags ?? []) need(tags.has(tag), `${at}: tag ${tag}`)
    parameterFaults(document, path, operation).forEach(
      (fault) => void need(false, `${at}: ${fault}`),
    )
    for (const scheme of (operation.security ?? []).flatMap(Object.keys)) {
      need(document.components.securitySchemes[scheme], `${at}: security ${scheme} [4.8.30]`)
    }
    need(Object.keys(operation.responses ?? {}).length > 0, `${at}: no responses [4.8.16]`)
    for (const [status, given] of Object.entries<Json>(operation.responses ?? {})) {
      const response = resolve(document, given)
      need(/^([1-5](\d\d|XX)|default)$/.test(status), `${at}: status ${status} [4.8.16]`)
      need(typeof response?.description === 'string', `${at} ${status}: description [4.8.17]`)
    }
  }
  walk(document, '#', (value, at) => {
    if (typeof value.$ref === 'string') need(resolve(document, value), `${at}: ${value.$ref}`)
    need(value.nullable === undefined, `${at}: nullable is gone since 3.1`)
    if (value.type !== undefined && !at.endsWith('/properties')) typeFaults(value, at, need)
    if (value.schema && value.example !== undefined) {
      const fault = mismatch(document, value.schema, value.example)
      need(fault === '', `${at}: example: ${fault}`)
    }
  })
  for (const [name, schema] of Object.entries<Json>(document.components.schemas)) {
    need(/^[\w.-]+$/.test(name), `component name ${name} [4.8.7]`)
    if (schema.example === undefined) continue
    const fault = mismatch(document, schema, schema.example)
    need(fault === '', `${name}: example: ${fault}`)
  }
  return faults
}

function parameterFaults(document: Json, path: string, operation: Json): string[] {
  const parameters: Json[] = (operation.parameters ?? []).map((given: Json) =>
    resolve(document, given),
  )
  const names = parameters.map((parameter) => `${parameter.in} ${parameter.name}`)
  const inPath = parameters.filter((parameter) => parameter.in === 'path')
  const templated = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name)
  return [
    ...(new Set(names).size === names.length ? [] : ['parameters are not unique [4.8.10]']),
    ...(templated.toSorted().join() ===
    inPath
      .map(({ name }) => name)
      .toSorted()
      .join()
      ? []
      : ['path parameters are not those of the path [4.8.12]']),
    ...inPath.filter(({ required }) => !required).map(({ name }) => `${name} is not required`),
    ...parameters
      .filter((given) => !['query', 'header', 'path', 'cookie'].includes(given.in) || !given.schema)
      .map(({ name }) => `${name} is no parameter [4.8.12]`),
  ]
}

const types = new Set(['string', 'number', 'integer', 'boolean', 'object', 'array', 'null'])
const schemes = new Set(['http', 'apiKey', 'oauth2', 'openIdConnect', 'mutualTLS'])

function typeFaults(value: Json, at: string, need: (holds: unknown, fault: string) => void) {
  if (/\/(example|default|const)(\/|$)/.test(at)) return
  if (at.includes('/securitySchemes/')) return need(schemes.has(value.type), `${at}: type`)
  need(
    [value.type].flat().every((type) => types.has(type)),
    `${at}: type ${value.type}`,
  )
}

function walk(value: Json, at: string, visit: (value: Json, at: string) => void): void {
  if (typeof value !== 'object' || value === null) return
  visit(value, at)
  for (const [name, child] of Object.entries(value)) walk(child, `${at}/${name}`, visit)
}
