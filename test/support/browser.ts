/** As much of a browser as the documentation page needs: elements that are text, and no parser. */
import { createContext, Script } from 'node:vm'

type Listener = () => unknown

/** An element that keeps what it was given; markup means nothing to it. */
export class FakeElement {
  readonly name: string
  readonly attributes = new Map<string, string>()
  readonly listeners = new Map<string, Listener>()
  children: FakeElement[] = []
  ownText = ''
  disabled = false
  #value: string | undefined

  constructor(name: string) {
    this.name = name
  }
  get value(): string {
    return this.#value ?? this.find('option')[0]?.attributes.get('value') ?? ''
  }
  set value(text: string) {
    this.#value = text
  }
  get textContent(): string {
    return this.ownText + this.children.map((child) => child.textContent).join(' ')
  }
  set textContent(text: string) {
    this.ownText = String(text)
    this.children = []
  }
  setAttribute(name: string, value: string) {
    this.attributes.set(name, String(value))
  }
  append(...children: FakeElement[]) {
    for (const child of children) {
      if (!(child instanceof FakeElement)) throw new TypeError('Only elements are appended')
      this.children.push(child)
    }
  }
  replaceChildren(...children: FakeElement[]) {
    this.children = []
    this.append(...children)
  }
  addEventListener(type: string, listener: Listener) {
    this.listeners.set(type, listener)
  }
  /** Every element of this name below. */
  find(name: string): FakeElement[] {
    return this.children.flatMap((child) => [
      ...(child.name === name ? [child] : []),
      ...child.find(name),
    ])
  }
  /** The element with this id, here or below. */
  byId(id: string): FakeElement | undefined {
    if (this.attributes.get('id') === id) return this
    for (const child of this.children) {
      const found = child.byId(id)
      if (found) return found
    }
    return undefined
  }
}

export interface Sent {
  url: string
  method: string
  headers: Record<string, string>
  body: string | undefined
}

/** Runs a script on a page that holds elements with these ids, and asks `fetch` for what it asks. */
export function openPage(
  script: string,
  ids: string[],
  fetch: (url: string, init?: RequestInit) => Promise<Response>,
) {
  const body = new FakeElement('body')
  for (const id of ids) {
    const made = new FakeElement('div')
    made.setAttribute('id', id)
    body.append(made)
  }
  const document = {
    createElement: (name: string) => new FakeElement(name),
    getElementById: (id: string) => body.byId(id) ?? null,
  }
  new Script(script).runInContext(createContext({ document, fetch, performance, URLSearchParams }))
  return body
}
