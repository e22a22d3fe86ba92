/** The script of the documentation page: shows the document, and sends what the reader fills in. */

/** JavaScript for browsers. Text reaches the page through `textContent` alone, never as markup. */
export const script = `'use strict'
const byId = (id) => document.getElementById(id)
const methods = ['get', 'post', 'put', 'patch', 'delete']

function element(name, attributes, ...children) {
  const made = document.createElement(name)
  for (const [key, value] of Object.entries(attributes || {})) made.setAttribute(key, value)
  for (const child of children) {
    if (child === undefined || child === null) continue
    if (typeof child === 'object') made.append(child)
    else {
      const text = document.createElement('span')
      text.textContent = String(child)
      made.append(text)
    }
  }
  return made
}

function text(name, content, attributes) {
  const made = element(name, attributes)
  made.textContent = content
  return made
}

const show = (value) => JSON.stringify(value, null, 2)

function resolver(root) {
  return function resolve(value) {
    if (!value || !value.$ref) return value || {}
    return resolve(value.$ref.slice(2).split('/').reduce((at, part) => at && at[part], root))
  }
}

function typeOf(given, resolve) {
  const schema = resolve(given)
  const parts = schema.oneOf || schema.anyOf
  if (parts) return parts.map((part) => typeOf(part, resolve)).join(' or ')
  if (schema.const !== undefined) return show(schema.const)
  if (schema.enum) return schema.enum.map((item) => JSON.stringify(item)).join(' | ')
  if (schema.type === 'array') return 'list of ' + typeOf(schema.items, resolve)
  const type = [].concat(schema.type || (schema.properties || schema.allOf ? 'object' : 'any')).join(' or ')
  return schema.format ? type + ' (' + schema.format + ')' : type
}

function bounds(schema) {
  const names = ['minimum', 'maximum', 'minLength', 'maxLength', 'maxItems', 'pattern', 'default']
  return names
    .filter((name) => schema[name] !== undefined)
    .map((name) => name + ' ' + JSON.stringify(schema[name]))
    .join(', ')
}

/** Rows of name, type, whether it is required, and notes; nested fields by dotted names. */
function fieldsOf(given, resolve, prefix, depth) {
  const schema = resolve(given)
  if (depth > 4) return []
  const inherited = (schema.allOf || []).flatMap((part) => fieldsOf(part, resolve, prefix, depth))
  if (schema.type === 'array') {
    return inherited.concat(fieldsOf(schema.items, resolve, prefix + '[].', depth + 1))
  }
  const own = Object.entries(schema.properties || {}).flatMap(([name, property]) => {
    const details = resolve(property)
    const isRequired = (schema.required || []).includes(name)
    const notes = [details.description, bounds(details)].filter(Boolean).join('; ')
    const row = [prefix + name, typeOf(property, resolve), isRequired ? 'yes' : 'no', notes]
    return [row].concat(fieldsOf(property, resolve, prefix + name + '.', depth + 1))
  })
  return inherited.concat(own)
}

function table(caption, heads, rows) {
  const head = element('tr', {}, ...heads.map((name) => text('th', name, { scope: 'col' })))
  const body = rows.map(([name, ...cells]) => {
    const first = text('th', name, { scope: 'row' })
    return element('tr', {}, first, ...cells.map((cell) => (typeof cell === 'object' ? element('td', {}, cell) : text('td', cell))))
  })
  return element('table', {}, text('caption', caption), element('thead', {}, head), element('tbody', {}, ...body))
}

/** What a schema's values look like, for the answers and bodies that bring no example. */
function sample(given, resolve, depth) {
  const schema = resolve(given)
  if (schema.example !== undefined) return schema.example
  if (schema.default !== undefined) return schema.default
  if (depth > 4) return null
  if (schema.allOf) return Object.assign({}, ...schema.allOf.map((part) => sample(part, resolve, depth)), own())
  const part = (schema.oneOf || schema.anyOf || [])[0]
  if (part) return sample(part, resolve, depth + 1)
  if (schema.enum) return schema.enum[0]
  if (schema.const !== undefined) return schema.const
  if (schema.properties) return own()
  const type = [].concat(schema.type || 'null')[0]
  if (type === 'array') return [sample(schema.items, resolve, depth + 1)]
  return { string: 'text', integer: 0, number: 0, boolean: true, object: {} }[type] ?? null
  function own() {
    const entries = Object.entries(schema.properties || {})
    return Object.fromEntries(entries.map(([name, value]) => [name, sample(value, resolve, depth + 1)]))
  }
}

function media(content, resolve) {
  return Object.entries(content || {}).map(([type, { schema, example }]) => {
    const rows = fieldsOf(schema, resolve, '', 0)
    const shown = show(example === undefined ? sample(schema, resolve, 0) : example)
    return element('div', {}, text('p', type + ': ' + typeOf(schema, resolve)),
      rows.length > 0 ? table('Fields', ['Name', 'Type', 'Required', 'Notes'], rows) : null,
      text('pre', shown, { 'aria-label': 'Example', tabindex: '0' }))
  })
}

function input(parameter, resolve, id) {
  const schema = resolve(parameter.schema)
  if (!schema.enum) return element('input', { id, autocomplete: 'off', 'aria-label': parameter.name })
  const choices = schema.enum.map((value) => text('option', value, { value }))
  const empty = parameter.required ? [] : [text('option', '', { value: '' })]
  return element('select', { id, 'aria-label': parameter.name }, ...empty, ...choices)
}

function credentialHeaders(operation) {
  const names = (operation.security || []).flatMap((scheme) => Object.keys(scheme))
  const token = byId('admin-token').value
  const key = byId('gateway-key').value
  if (names.includes('Bearer') && token) return { authorization: 'Bearer ' + token }
  if (names.includes('GatewayKey') && key) return { 'x-api-key': key }
  return {}
}

function address(path, parameters) {
  const query = new URLSearchParams()
  let target = path
  for (const { parameter, control } of parameters) {
    if (parameter.in === 'path') target = target.replace('{' + parameter.name + '}', encodeURIComponent(control.value))
    if (parameter.in === 'query' && control.value !== '') query.append(parameter.name, control.value)
  }
  return String(query) === '' ? target : target + '?' + query
}

async function send(method, url, headers, body, output) {
  output.textContent = 'Waiting for the answer …'
  const started = performance.now()
  try {
    const response = await fetch(url, { method: method.toUpperCase(), headers, body, credentials: 'omit' })
    const spent = Math.round(performance.now() - started)
    const head = method.toUpperCase() + ' ' + url + ' → ' + response.status + ' in ' + spent + ' ms'
    const lines = [...response.headers].map(([name, value]) => name + ': ' + value)
    const answer = await response.text()
    output.textContent = [head, ...lines, '', pretty(answer)].join(String.fromCharCode(10))
  } catch (error) {
    output.textContent = 'The request failed: ' + error.message
  }
}

function pretty(answer) {
  try {
    return show(JSON.parse(answer))
  } catch {
    return answer
  }
}

function tryOut(method, path, operation, parameters, bodyControl) {
  const output = text('pre', '', { role: 'status', 'aria-label': 'Answer', tabindex: '0' })
  const button = text('button', 'Send', { type: 'button' })
  button.addEventListener('click', async () => {
    const headers = credentialHeaders(operation)
    if (bodyControl) headers['content-type'] = 'application/json'
    button.disabled = true
    await send(method, address(path, parameters), headers, bodyControl ? bodyControl.value : undefined, output)
    button.disabled = false
  })
  return element('div', {}, button, output)
}

function operationView(method, path, operation, resolve) {
  const id = operation.operationId
  const parameters = (operation.parameters || []).map((given) => {
    const parameter = resolve(given)
    return { parameter, control: input(parameter, resolve, id + '-' + parameter.name) }
  })
  const rows = parameters.map(({ parameter, control }) => [
    parameter.name, parameter.in, typeOf(parameter.schema, resolve), parameter.required ? 'yes' : 'no',
    [parameter.description || resolve(parameter.schema).description, bounds(resolve(parameter.schema))].filter(Boolean).join('; '), control,
  ])
  const requestBody = operation.requestBody && resolve(operation.requestBody)
  const json = requestBody && requestBody.content['application/json']
  const bodyControl = json && element('textarea', { id: id + '-body', spellcheck: 'false', 'aria-label': 'Request body' })
  if (json) bodyControl.value = show(json.example === undefined ? sample(json.schema, resolve, 0) : json.example)
  const responses = Object.entries(operation.responses).map(([status, given]) => {
    const response = resolve(given)
    const summary = text('summary', status + ' ' + (response.description || ''))
    return element('details', {}, summary, ...media(response.content, resolve))
  })
  const body = element('div', {},
    text('p', operation.description || ''),
    operation.security ? null : text('p', 'Needs no credential.'),
    operation['x-permission'] ? text('p', 'Needs the permission ' + operation['x-permission'] + '.') : null,
    rows.length > 0 ? table('Parameters', ['Name', 'In', 'Type', 'Required', 'Notes', 'Value'], rows) : null,
    requestBody ? text('h4', 'Request body') : null, ...(requestBody ? media(requestBody.content, resolve) : []),
    text('h4', 'Answers'), ...responses,
    text('h4', 'Try it'), bodyControl, tryOut(method, path, operation, parameters, bodyControl))
  const summary = element('summary', {}, text('span', method, { class: 'method' }), text('code', path), ' ', text('span', operation.summary || ''))
  return element('details', { class: 'operation', id }, summary, body)
}

function render(root) {
  const resolve = resolver(root)
  byId('title').textContent = root.info.title
  byId('description').textContent = root.info.description || ''
  const operations = Object.entries(root.paths).flatMap(([path, item]) =>
    methods.filter((method) => item[method]).map((method) => ({ method, path, operation: item[method] })))
  const sections = root.tags.map((tag) => {
    const id = 'tag-' + tag.name.toLowerCase().split(' ').join('-')
    byId('tags').append(text('a', tag.name, { href: '#' + id }))
    const own = operations.filter(({ operation }) => (operation.tags || []).includes(tag.name))
    return element('section', { 'aria-labelledby': id }, text('h2', tag.name, { id }), text('p', tag.description || ''),
      ...own.map(({ method, path, operation }) => operationView(method, path, operation, resolve)))
  })
  byId('operations').replaceChildren(...sections)
}

fetch('/openapi.json')
  .then((response) => response.json())
  .then(render)
  .catch((error) => { byId('loading').textContent = 'The document could not be loaded: ' + error.message })
`
