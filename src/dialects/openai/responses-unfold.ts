/** Tells a whole response as the stream that a client asked for. */
import { parseJson } from '../../json.ts'
import { isObject } from './counts.ts'

type Fields = Record<string, unknown>

/** The events of the response in `body`; undefined when it is none. */
export function unfold(body: Uint8Array): string | undefined {
  const response = parseJson(new TextDecoder().decode(body))
  if (!isObject(response) || response.object !== 'response') return undefined
  const output = Array.isArray(response.output) ? response.output : []
  const isIncomplete = response.status === 'incomplete'
  const begun = { ...response, status: 'in_progress', output: [], usage: null }
  const tell = createTeller()
  return [
    tell('response.created', { response: begun }),
    tell('response.in_progress', { response: begun }),
    ...output.filter(isObject).map((item, index) => itemEvents(tell, item, index)),
    tell(isIncomplete ? 'response.incomplete' : 'response.completed', { response }),
  ].join('')
}

type Teller = (type: string, fields: Fields) => string

/** Numbers the events, as clients expect it. */
function createTeller(): Teller {
  let sequence_number = 0
  return (type, fields) => {
    const data = JSON.stringify({ type, sequence_number: sequence_number++, ...fields })
    return `event: ${type}\ndata: ${data}\n\n`
  }
}

function itemEvents(tell: Teller, item: Fields, output_index: number): string {
  const begun = { ...item, ...('status' in item && { status: 'in_progress' }) }
  const isMessage = item.type === 'message' && Array.isArray(item.content)
  const parts = isMessage && Array.isArray(item.content) ? item.content.filter(isObject) : []
  return [
    tell('response.output_item.added', {
      output_index,
      item: isMessage ? { ...begun, content: [] } : begun,
    }),
    ...parts.map((part, index) => partEvents(tell, part, { item, output_index, index })),
    tell('response.output_item.done', { output_index, item }),
  ].join('')
}

function partEvents(
  tell: Teller,
  part: Fields,
  { item, output_index, index }: { item: Fields; output_index: number; index: number },
): string {
  const at = { item_id: item.id, output_index, content_index: index }
  const { text } = part
  if (part.type !== 'output_text' || typeof text !== 'string') {
    return [
      tell('response.content_part.added', { ...at, part }),
      tell('response.content_part.done', { ...at, part }),
    ].join('')
  }
  return [
    tell('response.content_part.added', { ...at, part: { ...part, text: '' } }),
    tell('response.output_text.delta', { ...at, delta: text }),
    tell('response.output_text.done', { ...at, text }),
    tell('response.content_part.done', { ...at, part }),
  ].join('')
}
